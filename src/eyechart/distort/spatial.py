"""Spatial distortions: pixels a little out of place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.draws import normal_table, words
from eyechart.distort.pixels import rounded
from eyechart.distort.registry import Pixels, Reals, Severity, register
from eyechart.distort.ties import near_ties

_PASSES = 5
_PARTS = 32  # coordinates are multiples of 1/32 px
_DOUBT = 0.0003  # grey levels; more than twice OpenCV's error in float32


@register(
    "jitter",
    family="spatial",
    severity=Severity("sigma", "px per pass", 0.0, 10.0, identity=(0.0, 0.003)),
    levels={"kadid10k": (0.05, 0.1, 0.2, 0.5, 1.0)},
    source="KADID-10k 19: five warps by independent Gaussian offsets, bicubic",
)
def jitter(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Fetch every pixel from a place off by N(0, sigma) in x and y, five times in a row; each pass rounds.

    The offsets are multiples of 1/32 px.
    """
    steps = np.rint(_PARTS * severity * normal_table()).astype(np.int16)
    for _ in range(_PASSES):
        image = fetched(image, steps.take(words(draw, *image.shape[:2], 2)))
    return image


def fetched(image: Pixels, steps: NDArray[np.int16]) -> Pixels:
    """Return the image fetched from offsets (int16 HW2: x, y in 1/32 px), bicubic, the border repeated.

    OpenCV's results differ in their last bits between processors, so values close to a rounding tie are
    computed again, exactly: products of 8-bit values and of weights at multiples of 1/32 px fit float64.
    """
    whole = steps >> 5
    whole[..., 0] += np.arange(image.shape[1], dtype=np.int16)
    whole[..., 1] += np.arange(image.shape[0], dtype=np.int16)[:, None]
    part = steps & 31
    packed = (part[..., 1] << 5 | part[..., 0]).view(np.uint16)
    levels: NDArray[np.float32] = cv2.remap(
        image.astype(np.float32), whole, packed, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    near = near_ties(levels, _DOUBT)
    row, column, channel = np.unravel_index(near, levels.shape)
    levels.reshape(-1)[near] = _exactly(image, whole[row, column], part[row, column], channel)
    return rounded(levels)


def _exactly(
    image: Pixels, whole: NDArray[np.int16], part: NDArray[np.int16], channel: NDArray[np.intp]
) -> Reals:
    """Return the bicubic values (float64) of channels at n places (n x 2: x, y), in px and in 1/32 px."""
    height, width = image.shape[:2]
    x = np.clip(whole[:, :1] + _NEAR, 0, width - 1)
    y = np.clip(whole[:, 1:] + _NEAR, 0, height - 1)
    seen = image[y[:, :, None], x[:, None, :], channel[:, None, None]].astype(np.float64)
    values: Reals = np.einsum("ni,nj,nij->n", _WEIGHTS[part[:, 1]], _WEIGHTS[part[:, 0]], seen)
    return values


def _cubic(distance: Reals) -> Reals:
    """Return Keys' cubic kernel with a = -0.75, which is OpenCV's."""
    d = np.abs(distance)
    return np.where(d <= 1, (1.25 * d - 2.25) * d * d + 1, ((-0.75 * d + 3.75) * d - 6) * d + 3)


_NEAR = np.arange(-1, 3)
_WEIGHTS = _cubic(np.arange(_PARTS)[:, None] / _PARTS - _NEAR)  # of four neighbours, by the part of a pixel
