"""Setting the small cosine coefficients of an image to zero, on overlapping grids of 8 x 8 blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eyechart.distort.blocks import SIDE, cosine, from_blocks, from_cosine, to_blocks
from eyechart.distort.registry import Reals


def without_small(planes: Reals, threshold: float | Reals, grids: Sequence[tuple[int, int]]) -> Reals:
    """Return the mean over grids of planes whose small cosine coefficients are set to zero.

    Args:
        planes: float64 (channels, height, width).
        threshold: coefficients of the orthonormal transform up to this size go, or up to one size for each
            frequency (8 x 8); each block's mean stays.
        grids: rows and columns, 0 to 7, by which each begins later than 8 px before the image.
    """
    height, width = planes.shape[1:]
    wide = np.pad(planes, ((0, 0), (SIDE, SIDE), (SIDE, SIDE)), mode="edge")
    total = np.zeros_like(planes)
    for down, right in grids:
        seen = wide[:, down:, right:]
        coefficients = cosine(to_blocks(seen))
        means = coefficients[..., 0, 0].copy()
        coefficients[np.abs(coefficients) <= threshold] = 0.0
        coefficients[..., 0, 0] = means
        back = from_blocks(from_cosine(coefficients), *seen.shape[1:])
        total += back[:, SIDE - down :, SIDE - right :][:, :height, :width]
    total /= len(grids)
    return total
