"""Gaussian smoothing, fast in float32 and rounded the same way on every processor."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.kernels import gaussian
from eyechart.distort.registry import Pixels, Reals
from eyechart.distort.ties import near_ties

_DOUBT = 0.0001, 0.000002  # grey levels, and per tap: more than twice OpenCV's error in float32
_BATCH = 256  # values computed one by one at a time, each from a square of pixels


def smoothed(image: Pixels, sigma: float) -> NDArray[np.floating]:
    """Return an image (uint8 HWC) smoothed by a Gaussian of 2 ceil(2 sigma) + 1 taps, as real grey levels.

    float32 sums differ in their last bits between processors. Levels so close to a rounding tie that those
    bits could decide a pixel are computed again in float64: one by one, or where there are many (an image of
    two neighbouring values may lie half-way everywhere) all of them. The border is repeated.
    """
    reach = math.ceil(2 * sigma)
    levels: NDArray[np.float32] = _smoothed(image.astype(np.float32), sigma, reach)
    doubtful = near_ties(levels, _DOUBT[0] + _DOUBT[1] * (2 * reach + 1))
    if 32 * doubtful.size * (2 * reach + 1) > levels.size:  # about where this becomes slower than all again
        return _smoothed(image.astype(np.float64), sigma, reach)
    wide = cv2.copyMakeBorder(image, *4 * (reach,), cv2.BORDER_REPLICATE)
    for start in range(0, doubtful.size, _BATCH):
        some = doubtful[start : start + _BATCH]
        levels.flat[some] = _at(wide, gaussian(sigma, reach), *np.unravel_index(some, levels.shape))
    return levels


def smoothed_plane(plane: Reals, sigma: float) -> Reals:
    """Return a plane (float64 HW) smoothed by a Gaussian of 2 ceil(2 sigma) + 1 taps, the border repeated."""
    return _smoothed(plane, sigma, math.ceil(2 * sigma))


def _smoothed(levels: NDArray[Any], sigma: float, reach: int) -> NDArray[Any]:
    weights = gaussian(sigma, reach)
    return cv2.sepFilter2D(levels, -1, weights, weights, borderType=cv2.BORDER_REPLICATE)  # type: ignore[no-any-return]


def _at(
    wide: Pixels,
    weights: Reals,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    channels: NDArray[np.intp],
) -> Reals:
    """Return the smoothed values (float64) at places of an image that has been widened by its reach."""
    near = np.arange(weights.size)
    seen = wide[
        (rows[:, None] + near)[:, :, None], (columns[:, None] + near)[:, None], channels[:, None, None]
    ]
    values: Reals = weights @ seen @ weights
    return values
