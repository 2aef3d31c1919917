"""The preserve constraint: the visual tokens of clean images stay where they were before tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyechart.errors import EyechartError
from eyechart.subjects.model import ModelSubject, Pixels

if TYPE_CHECKING:
    import torch

    from eyechart.tune.constraints import Tokens


class Preserve:
    """Squared distance of clean images' tokens to what they were before tuning, relative to their length.

    For an image with tokens z and untuned tokens u: sum of (z - u)^2 over sum of u^2, over all tokens and
    dimensions; 0 before tuning, 1 for tokens that have shrunk to nothing. Distorted images do not count.

    Args:
        untuned: tokens [tokens, width] of the clean images, by their row.
    """

    name = "preserve"

    def __init__(self, untuned: Mapping[int, torch.Tensor]) -> None:
        self.untuned = untuned

    @classmethod
    def of(cls, subject: ModelSubject, images: Sequence[Pixels], clean: ArrayLike) -> Preserve:
        """Return the constraint for a subject as it is now; its tokens of the clean images are kept.

        They take 4 bytes x tokens x width an image of the CPU's memory.

        Raises:
            EyechartError: no image is clean.
        """
        rows = np.flatnonzero(np.asarray(clean, bool)).tolist()
        if not rows:
            raise EyechartError(
                "preserve holds on to clean images, and there are none to train on",
                "train on a dataset with undistorted pictures",
            )
        return cls(dict(zip(rows, subject.visual_tokens([images[row] for row in rows]), strict=True)))

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return nothing: there is nothing to learn."""
        return []

    def loss(self, tokens: Tokens, targets: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor | None:
        """Return the mean loss of a batch; see :class:`Constraint`."""
        import torch

        each = []
        for image, row in zip(tokens, rows.tolist(), strict=True):
            if row in self.untuned:
                before = self.untuned[row].to(image.device)
                each.append((image.float() - before).square().sum() / before.square().sum())
        return torch.stack(each).mean() if each else None
