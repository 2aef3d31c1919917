"""Kernels of blurs, and convolution that is the same on every processor."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Pixels, Reals

_ONE = 65536  # its parts times 8-bit values have 24 bits, as float32 has
_MOST_TAPS = 128  # above it OpenCV goes through Fourier space, which is slower and not exact


def disk(radius: float) -> Reals:
    """Return the share of each pixel's area inside a disk, normalised (float64, odd square).

    Each of 64 rows of a pixel is cut by the disk exactly; only across the rows is the area sampled.
    """
    reach = math.ceil(radius - 0.5)
    rows = 64
    heights = (np.arange((2 * reach + 1) * rows) + 0.5) / rows - reach - 0.5
    half = np.sqrt(np.maximum(radius**2 - heights**2, 0.0))[:, None]
    left = np.arange(-reach, reach + 1) - 0.5
    inside = np.maximum(np.minimum(left + 1, half) - np.maximum(left, -half), 0.0)
    area: Reals = inside.reshape(2 * reach + 1, rows, -1).sum(axis=1)
    area /= area.sum()
    return area


def hard_disk(radius: float, softness: float) -> Reals:
    """Return equal weights where a pixel's centre lies in a disk, blurred by a 3 x 3 or 5 x 5 Gaussian.

    Args:
        radius: in px; above 8 px the Gaussian has 5 x 5 taps.
        softness: the Gaussian's standard deviation in px.
    """
    taps = 3 if radius <= 8 else 5
    reach = math.floor(radius) + taps // 2
    places = np.arange(-reach, reach + 1)
    inside = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float64)
    soft = gaussian(softness, taps // 2)
    weights: Reals = cv2.sepFilter2D(inside, -1, soft, soft, borderType=cv2.BORDER_CONSTANT)
    weights /= weights.sum()
    return weights


def line(length: float, angle: float) -> Reals:
    """Return the weights max(0, 1 - distance to a segment of ``length`` - 1 px), normalised; radians."""
    half = (length - 1) / 2
    reach = math.ceil(half)
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    along = right * math.cos(angle) - down * math.sin(angle)
    across = right * math.sin(angle) + down * math.cos(angle)
    weights: Reals = np.maximum(0.0, 1 - np.hypot(np.maximum(np.abs(along) - half, 0.0), across))
    weights /= weights.sum()
    return weights


def gaussian(sigma: float, reach: int) -> Reals:
    """Return a Gaussian at -reach to reach, normalised (float64)."""
    weights: Reals = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    weights /= weights.sum()
    return weights


def filtered(image: Pixels, kernel: Reals) -> NDArray[np.float32]:
    """Return an image (uint8 HWC) filtered with an odd, square, normalised kernel, as real grey levels.

    The weights become multiples of 1/65536, so that float32 holds every partial sum exactly: the result
    depends neither on the order of the sum nor on the processor. The border is repeated.
    """
    reach = len(kernel) // 2
    wide = cv2.copyMakeBorder(image.astype(np.float32), *4 * (reach,), cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    total = np.zeros(image.shape, np.float32)
    for top, left, part in _parts(_rounded(kernel)):
        seen = wide[top : top + height + part.shape[0] - 1, left : left + width + part.shape[1] - 1]
        cv2.add(total, cv2.filter2D(seen, -1, part, anchor=(0, 0))[:height, :width], dst=total)
    return total


def _rounded(kernel: Reals) -> NDArray[np.float32]:
    """Return weights in multiples of 1/65536; what rounding takes from one is given to the next."""
    sums = np.rint(np.cumsum(kernel) * _ONE)
    return (np.diff(sums, prepend=0.0).reshape(kernel.shape) / _ONE).astype(np.float32)


def _parts(
    weights: NDArray[np.float32], top: int = 0, left: int = 0
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Yield the rows, columns and weights of small rectangles that hold all weights but zeros."""
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    if not rows.size:
        return
    top, left = top + int(rows[0]), left + int(columns[0])
    part = weights[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if part.size <= _MOST_TAPS:
        yield top, left, part
        return
    height, width = part.shape
    if height >= width:
        yield from _parts(part[: height // 2], top, left)
        yield from _parts(part[height // 2 :], top + height // 2, left)
    else:
        yield from _parts(part[:, : width // 2], top, left)
        yield from _parts(part[:, width // 2 :], top, left + width // 2)
