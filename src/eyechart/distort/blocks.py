"""Blocks of 8 x 8 pixels, as JPEG cuts them, and their cosine transform."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Reals

SIDE = 8
# The example table for luminance in Annex K of the JPEG standard (ITU-T T.81).
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def to_blocks(planes: NDArray[Any]) -> NDArray[Any]:
    """Return planes (channels, height, width) as (channels, rows, columns, 8, 8); the border is repeated."""
    channels, height, width = planes.shape
    whole = np.pad(planes, ((0, 0), (0, -height % SIDE), (0, -width % SIDE)), mode="edge")
    return whole.reshape(channels, whole.shape[1] // SIDE, SIDE, -1, SIDE).swapaxes(2, 3)


def from_blocks(blocks: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return blocks as planes (channels, height, width)."""
    channels, rows, columns = blocks.shape[:3]
    return blocks.swapaxes(2, 3).reshape(channels, rows * SIDE, columns * SIDE)[:, :height, :width]


def cosine(blocks: NDArray[Any]) -> Reals:
    """Return the orthonormal discrete cosine transform of every block (float64)."""
    from scipy.fft import dctn

    return dctn(blocks.astype(np.float64), axes=(-2, -1), norm="ortho")


def from_cosine(coefficients: Reals) -> Reals:
    """Undo :func:`cosine`."""
    from scipy.fft import idctn

    return idctn(coefficients, axes=(-2, -1), norm="ortho")
