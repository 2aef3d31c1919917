"""What a step of tuning costs, component by component.

A component that is passed forward costs its forward operations once; once more where a gradient goes through
it to what is trained in it or before it; once more for the gradients of its own weights. Adapters (LoRA) cost
these three times for their own weights, and the frozen ones beside them no third time. What is frozen and
comes before all that is trained is computed once and kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from eyechart.subjects.components import COMPONENTS
from eyechart.tune.phases import Phase


def step_operations(
    forward: Mapping[str, float],
    phase: Phase,
    adapted: Mapping[str, float] | None = None,
    *,
    checkpointing: bool = False,
    kept: bool = True,
) -> dict[str, float]:
    """Return the operations of one image in a step, by component.

    Args:
        forward: operations of each component's forward pass for one image, and of ``language`` for its
            prompt.
        phase: what is trained, and how.
        adapted: operations of the forward pass of the adapters of each component that has them.
        checkpointing: whether what the backward pass needs is computed again.
        kept: whether what is frozen and comes first is kept; else it is computed in every step.
    """
    found, gradient = {}, False
    for component in COMPONENTS if phase.answer else COMPONENTS[:2]:
        own, trained = forward[component], component in phase.train
        gradient = gradient or trained
        more = (adapted or {}).get(component, 0.0) if trained else 0.0
        if gradient:
            times = 2.0 + (trained and not more) + checkpointing
            found[component] = times * own + (3.0 + checkpointing) * more
        else:
            found[component] = 0.0 if kept else own
    return found


def frozen_first(phase: Phase) -> tuple[str, ...]:
    """Return the components of the vision path before all that is trained."""
    path = COMPONENTS[:2]
    trained = [place for place, component in enumerate(path) if component in phase.train]
    return path[: trained[0]] if trained else path
