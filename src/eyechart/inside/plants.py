"""Faults that are planted into a competent subject, each with the verdict that is true of it, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from eyechart.inside.verdict import PERCEIVED, UNKNOWN
from eyechart.subjects.model import ModelSubject, Pixels

if TYPE_CHECKING:
    import torch

Verdicts = tuple[str, ...]
NO_FAULT: Verdicts = (PERCEIVED, UNKNOWN)
ANY: Verdicts = ()


class Hook(Protocol):
    """What torch hands out for a hook."""

    def remove(self) -> None:
        """Take the hook off."""


@dataclass(frozen=True)
class Known:
    """What a fault may be made from.

    Attributes:
        labels: the labels.
        first: the first token of each label as an answer, in their order.
        off: a token that begins no label.
        others: the held-out questions.
        words: tokens that stand in them, and neither in the trained question nor in an answer.
        images: train images, uint8 HWC RGB.
        tokens: their projected visual tokens in the healthy subject, [n, tokens, width].
        targets: place of each one's label, [n].
    """

    labels: tuple[str, ...]
    first: tuple[int, ...]
    off: int
    others: tuple[str, ...]
    words: tuple[int, ...]
    images: Sequence[Pixels]
    tokens: torch.Tensor
    targets: torch.Tensor


@dataclass(frozen=True)
class Plant:
    """A fault.

    Attributes:
        name: what it is called.
        part: the first part of the way that it touches: ``encoder``, ``projector``, ``language``, ``answers``
            (nothing that probes see), or empty for none.
        overall: the verdicts that are right overall.
        because: why they are the truth.
        labels: the verdicts that are right of single labels.
        others: those of all other labels; ``ANY`` where nothing can be known beforehand.
        put: plants it into the subject's model; the hooks take it out again.
    """

    name: str
    part: str
    overall: Verdicts
    because: str
    put: Callable[[ModelSubject, Known], list[Hook]]
    labels: Mapping[str, Verdicts] = field(default_factory=dict)
    others: Verdicts = NO_FAULT

    @contextmanager
    def planted(self, subject: ModelSubject, known: Known) -> Iterator[None]:
        """Plant the fault for as long as the context lasts."""
        hooks = self.put(subject, known)
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def expected(self, scope: str) -> Verdicts:
        """Return the verdicts that are right overall or of one label; empty where any is."""
        from eyechart.inside.kept import OVERALL

        return self.overall if scope == OVERALL else self.labels.get(scope, self.others)


def all_plants(labels: tuple[str, ...]) -> tuple[Plant, ...]:
    """Return every fault, the healthy subject first."""
    from eyechart.inside.plants_language import language_plants
    from eyechart.inside.plants_projector import projector_plants
    from eyechart.inside.plants_vision import vision_plants

    healthy = Plant("none", "", (PERCEIVED,), "nothing is wrong with it", lambda subject, known: [])
    return (healthy, *vision_plants(labels), *projector_plants(), *language_plants(labels))


def changed(module: Any, change: Callable[[Any], Any]) -> Hook:
    """Let a module hand out something else than it computes."""
    hook: Hook = module.register_forward_hook(lambda _, args, out: change(out))
    return hook
