"""Prove a map of components before it is used, where the tests have not proved it already."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from eyechart.errors import EyechartError
from eyechart.seeds import rng
from eyechart.subjects.components import assigned, families, model_type

if TYPE_CHECKING:
    from eyechart.subjects.model import ModelSubject
    from eyechart.subjects.prove import Claim

_SIDE = 224
_held: set[tuple[object, ...]] = set()  # maps that were proved in this process


def require_proof(subject: ModelSubject) -> None:
    """Prove a subject's components on two synthetic images, unless it is known that they hold.

    It is known of the families that ``families.yaml`` calls proved, as the table has them, and of a map that
    was proved in this process.

    Raises:
        EyechartError: the parameters cannot be told apart, or the proof fails; with what to do about it.
    """
    model, kind = subject.model, model_type(subject.model)
    family, moved = families().get(kind), assigned(model)
    if family is not None and family.proved and not moved:
        return
    key = (type(model), *moved.items(), *(name for name, _ in model.named_parameters()))
    if key in _held:
        return
    claims = _claims(subject)
    for claim in claims:
        if not claim.holds:
            raise EyechartError(
                f"the components of {subject.name} are not proved: it does not hold that {claim.claim} "
                f"({claim.evidence})",
                f"see eyechart subjects check {subject.name}; a group or module counts to another component "
                "with --assign NAME=COMPONENT",
            )
    _held.add(key)
    why = "as assigned" if moved else f"as the type {kind} is {'not proved' if family else 'not listed'}"
    told = f"{subject.name}: components proved now, {why}: {len(claims)} claims hold"
    print(told, file=sys.stderr, flush=True)


def _claims(subject: ModelSubject) -> list[Claim]:
    from eyechart.subjects.prove import prove

    text = subject.conversation("What is this?")
    shown = [rng(0, "proof", i).integers(256, size=(_SIDE, _SIDE, 3), dtype="uint8") for i in range(2)]
    try:
        one, two = (subject.inputs([image], text) for image in shown)
        return prove(subject.model, one, two)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise EyechartError(
            f"the components of {subject.name} cannot be proved: {type(error).__name__}: {error}",
            "examine it as a whole (eyechart exam), which needs no components",
        ) from error
