"""Stretches of tuning, and what a step costs in each, component by component.

A component that is passed forward costs its forward operations once; once more where a gradient goes through
it to what is trained in it or before it; once more for the gradients of its own weights. Adapters (LoRA) cost
these three times for their own weights, and the frozen ones beside them no third time. What is frozen and
comes before all that is trained is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eyechart.subjects.components import COMPONENTS
from eyechart.tune.config import TuneConfig

LANGUAGE = "language"
_PROJECTOR_BATCH = 4  # times the batch, while the projector learns alone over kept features


@dataclass(frozen=True)
class Stretch:
    """A stretch of training.

    Attributes:
        name: what it is called.
        train: the trained components.
        steps: how many.
        batch: images a step.
        language: whether the loss is the answer's, so that the language model is passed.
    """

    name: str
    train: tuple[str, ...]
    steps: int
    batch: int
    language: bool


def step_operations(
    forward: Mapping[str, float],
    stretch: Stretch,
    adapted: Mapping[str, float] | None = None,
    *,
    checkpointing: bool = False,
    plain: bool = False,
) -> dict[str, float]:
    """Return the operations of one image in a step, by component.

    Args:
        forward: operations of each component's forward pass for one image, and of ``language`` for its
            prompt.
        stretch: what is trained, and how.
        adapted: operations of the forward pass of the adapters of each component that has them.
        checkpointing: whether what the backward pass needs is computed again.
        plain: whether frozen components are passed at each step, as a loop without kept features does.
    """
    passed = COMPONENTS if stretch.language else COMPONENTS[:2]
    found, gradient = {}, False
    for component in passed:
        own, trained = forward[component], component in stretch.train
        gradient = gradient or trained
        more = (adapted or {}).get(component, 0.0) if trained else 0.0
        if not gradient:
            found[component] = own if plain else 0.0
            continue
        times = 2.0 + (trained and not more) + checkpointing
        found[component] = times * own + (3.0 + checkpointing) * more
    return found


def stretches(train: tuple[str, ...], config: TuneConfig) -> tuple[Stretch, ...]:
    """Return the stretches of an arm (see :func:`eyechart.tune.train.tune`), none of them stopped early."""
    path = tuple(component for component in train if component != LANGUAGE)
    found = []
    if "projector" in path and config.constraints:
        steps = config.projector_steps
        found.append(Stretch("projector", ("projector",), steps, _PROJECTOR_BATCH * config.batch, False))
    if "vision" in path and config.constraints:
        found.append(Stretch("alignment", path, config.alignment_steps, config.batch, False))
    found.append(Stretch("answer", train, config.steps, config.batch, True))
    return tuple(one for one in found if one.steps)


def frozen_first(stretch: Stretch) -> tuple[str, ...]:
    """Return the components of the vision path before all that is trained: what is computed once and kept."""
    path = COMPONENTS[:2]
    trained = [place for place, component in enumerate(path) if component in stretch.train]
    return path[: trained[0]] if trained else path
