"""Arms: which components a study trains, and by which loss."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS
from eyechart.tune.config import TuneConfig

ALIGNED, UNCONSTRAINED = "aligned", "unconstrained"
WAYS = (ALIGNED, UNCONSTRAINED)
# Every choice of components that the study is about, each with and without the constraints' help.
GRID = (
    "base",
    "projector",
    "projector-unconstrained",
    "vision",
    "vision+projector",
    "vision+projector-aligned",
    "vision+projector-unconstrained",
    "language",
    "projector+language",
    "all",
    "all-unconstrained",
)


@dataclass(frozen=True)
class Arm:
    """One choice of trained components.

    Attributes:
        name: what reports call it.
        train: the trained components, in the model's order; empty for the base.
        way: ``aligned`` trains on the constraints alone, without running the language model;
            ``unconstrained`` on the answer's loss alone; empty on both, as the configuration says.
    """

    name: str
    train: tuple[str, ...]
    way: str = ""

    def settings(self, config: TuneConfig) -> TuneConfig:
        """Return the configuration of this arm.

        Without constraints the vision path gets as many steps on the answer's loss, at its full rate, as it
        would have had in all, so that such arms compare.
        """
        if self.way == ALIGNED:
            return config.model_copy(update={"steps": 0})
        if self.way == UNCONSTRAINED:
            more = config.alignment_steps if "vision" in self.train else config.projector_steps
            changes = {"constraints": {}, "steps": config.steps + more, "answer_rate": 1.0}
            return config.model_copy(update=changes)
        return config


def arm(name: str) -> Arm:
    """Return the arm of a name: ``base``, ``all``, or components joined by ``+``; then a way, after ``-``.

    Raises:
        EyechartError: an unknown component or way (the nearest one is suggested), or a way that is about the
            vision path for an arm without one.
    """
    if name == "base":
        return Arm(name, ())
    chosen, _, way = name.partition("-")
    parts = COMPONENTS if chosen == "all" else tuple(chosen.split("+"))
    for part in parts:
        if part not in COMPONENTS:
            raise _unknown("component", part, name, [*COMPONENTS, "all", "base"])
    if way and way not in WAYS:
        raise _unknown("way", way, name, list(WAYS))
    if way and set(parts) == {"language"}:
        raise EyechartError(
            f"the arm {name!r} has no vision path, which constraints are about", "leave out the way: language"
        )
    if way == ALIGNED and "language" in parts:
        raise EyechartError(
            f"the arm {name!r} cannot train the language model without running it",
            f"name vision, projector or both before -{ALIGNED}",
        )
    return Arm(name, tuple(c for c in COMPONENTS if c in parts), way)


def _unknown(what: str, given: str, name: str, known: list[str]) -> EyechartError:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.3)
    hint = f"did you mean {near[0]}? " if near else ""
    return EyechartError(
        f"unknown {what} {given!r} in the arm {name!r}",
        f"{hint}An arm is base, all, or some of {', '.join(COMPONENTS)} joined by +, then nothing or "
        f"{' or '.join(f'-{way}' for way in WAYS)}",
    )
