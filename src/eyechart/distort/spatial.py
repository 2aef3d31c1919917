"""Spatial distortions: pixels a little out of place."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Pixels, Reals, Severity, register

_PASSES = 5
_STEPS = 32  # coordinates are multiples of 1/32 px
_DOUBT = 0.002  # grey levels; more than OpenCV's error in float32


@register(
    "jitter",
    family="spatial",
    severity=Severity("sigma", "px per pass", 0.0, 10.0),
    levels={"kadid10k": (0.05, 0.1, 0.2, 0.5, 1.0)},
    source="KADID-10k 19: five warps by independent Gaussian offsets, bicubic",
)
def jitter(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Fetch every pixel from a place off by N(0, sigma) in x and y, five times in a row; each pass rounds."""
    for _ in range(_PASSES):
        noise = draw.standard_normal((2, *image.shape[:2]), dtype=np.float32)
        image = _fetch(image, np.rint(np.float32(_STEPS * severity) * noise) / np.float32(_STEPS))
    return image


def _fetch(image: Pixels, offsets: NDArray[np.float32]) -> Pixels:
    """Return the image fetched from offsets (x, y) in px, interpolated bicubically, the border repeated.

    OpenCV's float32 results differ in their last bits between processors. Values that close to a rounding tie
    are therefore computed again, exactly: weights of coordinates in 1/32 px times 8-bit values fit float64.
    """
    rim = math.ceil(np.abs(offsets).max()) + 2
    wide = cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_REPLICATE)
    down, right = np.mgrid[rim : rim + image.shape[0], rim : rim + image.shape[1]].astype(np.float32)
    x, y = right + offsets[0], down + offsets[1]
    found: NDArray[np.float32] = cv2.remap(wide.astype(np.float32), x, y, cv2.INTER_CUBIC)
    found += np.float32(0.5)
    rounded = np.floor(found)
    found -= rounded
    doubtful = ((found < _DOUBT) | (found > 1 - _DOUBT)).any(axis=-1)
    rounded[doubtful] = np.floor(
        _exactly(wide, x[doubtful].astype(np.float64), y[doubtful].astype(np.float64)) + 0.5
    )
    return np.clip(rounded, 0, 255).astype(np.uint8)


def _exactly(image: Pixels, x: Reals, y: Reals) -> Reals:
    """Return the bicubic values (float64, n x 3) at n places inside the image."""
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    near = np.arange(-1, 3)
    patches = image[(top[:, None] + near)[:, :, None], (left[:, None] + near)[:, None, :]].astype(np.float64)
    across = _weights(x[:, None] - left[:, None] - near)
    along = _weights(y[:, None] - top[:, None] - near)
    values: Reals = np.einsum("ni,nj,nijc->nc", along, across, patches)
    return values


def _weights(distance: Reals) -> Reals:
    """Return Keys' cubic kernel with a = -0.75, which is OpenCV's."""
    d = np.abs(distance)
    return np.where(d <= 1, (1.25 * d - 2.25) * d * d + 1, ((-0.75 * d + 3.75) * d - 6) * d + 3)
