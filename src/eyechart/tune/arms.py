"""Arms: which components a study trains."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS


@dataclass(frozen=True)
class Arm:
    """One choice of trained components.

    Attributes:
        name: what reports call it.
        train: the trained components, in the model's order; empty for the base.
    """

    name: str
    train: tuple[str, ...]


def arm(name: str) -> Arm:
    """Return the arm of a name: ``base``, ``all``, or components joined by ``+``.

    Raises:
        EyechartError: an unknown component; the nearest one is suggested.
    """
    if name == "base":
        return Arm(name, ())
    parts = COMPONENTS if name == "all" else tuple(name.split("+"))
    for part in parts:
        if part not in COMPONENTS:
            near = difflib.get_close_matches(part, [*COMPONENTS, "all", "base"], n=1, cutoff=0.3)
            hint = f"did you mean {near[0]}? " if near else ""
            raise EyechartError(
                f"unknown component {part!r} in the arm {name!r}",
                f"{hint}An arm is base, all, or some of {', '.join(COMPONENTS)} joined by +",
            )
    return Arm(name, tuple(c for c in COMPONENTS if c in parts))
