"""The states of a subject at each stage, pooled to one vector an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Pixels, Prompt, by_size
from eyechart.subjects.stages import LAST, stage_names, stages

if TYPE_CHECKING:
    import torch

Features = dict[str, NDArray[np.float32]]


def pooled_stages(
    subject: ModelSubject, images: Sequence[Pixels], prompt: Prompt, every: int, batch: int = 32
) -> Features:
    """Return mean and standard deviation over the tokens of each image, by stage in the order of the model.

    Low-level traces live in second-order statistics, hence the standard deviation (METHODS, Stages).

    Args:
        subject: the model.
        images: uint8 HWC RGB.
        prompt: what the language model reads.
        every: keep every so-many-th layer of the language model; its last layer is always kept.
        batch: images at a time.

    Returns:
        Stage name to float32 [n, 2 x width] ("language last position": the state itself, [n, width]).
    """
    import torch

    names = _every(stage_names(subject.model), every)
    kept: dict[str, dict[int, torch.Tensor]] = {name: {} for name in names}
    with torch.no_grad(), subject.precision():
        for rows in track(by_size(images, batch), "reading the states at each stage"):
            seen = subject.inputs([images[i] for i in rows], prompt.text)
            for name, states in stages(subject.model, seen, names).items():
                pooled = [one[0].float() if name == LAST else _pool(one) for one in states]
                kept[name] |= dict(zip(rows, (one.cpu() for one in pooled), strict=True))
    return {name: torch.stack([rows[i] for i in range(len(images))]).numpy() for name, rows in kept.items()}


def _every(names: Sequence[str], every: int) -> list[str]:
    """Leave out layers of the language model, but not its last."""
    layers = [name for name in names if name.startswith("language") and name != LAST]
    left_out = {name for i, name in enumerate(layers, 1) if i % every and i < len(layers)}
    return [name for name in names if name not in left_out]


def _pool(states: torch.Tensor) -> torch.Tensor:
    """Return mean and standard deviation over an image's tokens, [2 x width]."""
    import torch

    states = states.float()
    return torch.cat([states.mean(0), states.std(0)])
