"""The stretches of training that an arm is made of."""

from __future__ import annotations

from dataclasses import dataclass

from eyechart.errors import EyechartError
from eyechart.tune.arms import Arm
from eyechart.tune.config import TuneConfig

LANGUAGE = "language"


@dataclass(frozen=True)
class Phase:
    """A stretch of training: what trains, how long, on how many images; ``answer``: on the answer's loss."""

    name: str
    train: tuple[str, ...]
    steps: int
    batch: int
    answer: bool


def phases(arm: Arm, config: TuneConfig) -> list[Phase]:
    """Return the phases of an arm, each with its own course of the learning rates.

    The projector alone over kept features, then the vision path, both on the constraints and without running
    the language model; then every trained component on the answer's loss, plus the weighted constraints. The
    projector goes first because one that fits nothing yet would tear the encoder's features apart.
    """
    path = vision_path(arm)
    found = []
    if "projector" in path and config.constraints and config.projector_steps:
        size = 4 * config.batch  # no encoder is run: large batches are cheap
        found.append(Phase("projector", ("projector",), config.projector_steps, size, answer=False))
    if "vision" in path and config.constraints and config.alignment_steps:
        found.append(Phase("alignment", path, config.alignment_steps, config.batch, answer=False))
    if config.steps:
        found.append(Phase("answer", arm.train, config.steps, config.batch, answer=True))
    if not found:
        raise EyechartError(
            f"nothing is left to train in the arm {arm.name}: all its phases have 0 steps",
            "give steps to one: projector_steps, alignment_steps or steps",
        )
    return found


def vision_path(arm: Arm) -> tuple[str, ...]:
    """Return the trained components that stand before the language model."""
    return tuple(component for component in arm.train if component != LANGUAGE)
