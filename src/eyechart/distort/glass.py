"""Blur as through structured glass: pixels change places with their neighbours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.pixels import rounded
from eyechart.distort.registry import Pixels, Severity, register
from eyechart.distort.smooth import smoothed

_STEPS = 64  # random offsets are multiples of 1/64 px
_INDEX_BITS = 16  # more than the longest side that is taken


@register(
    "glass_blur",
    family="blur",
    severity=Severity("shift", "px", 0.5, 20.0),
    levels={"eyechart": (0.5, 1.0, 2.0, 3.0, 4.0)},
    source="after ImageNet-C's glass blur (Hendrycks and Dietterich 2019): blur, shuffle nearby pixels, blur",
)
def glass_blur(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.floating]:
    """Blur, move every pixel to a place near by, and blur again.

    The pixels of each row, then those of each column, are sorted by their place plus a uniform offset within
    ``shift`` + 1/2 px to either side. That moves them about as far as ImageNet-C's exchanges are meant to,
    which overwrite nearly half of the pixels; here none is lost. The Gaussian's standard deviation is
    1/2 + ``shift`` / 4 px, close to ImageNet-C's at its shifts of 1 to 4 px.
    """
    sigma = 0.5 + severity / 4
    return smoothed(shuffled(rounded(smoothed(image, sigma)), severity, draw), sigma)


def shuffled(image: Pixels, shift: float, draw: np.random.Generator) -> Pixels:
    """Return the same pixels (uint8 HWC) in another order, each moved by up to 2 ``shift`` + 1 px."""
    height, width = image.shape[:2]
    columns = _order((height, width), shift, draw)
    rows = _order((width, height), shift, draw).T
    places = np.empty((height, width, 2), np.int16)
    places[..., 0] = np.take_along_axis(columns, rows, axis=0)
    places[..., 1] = rows
    return cv2.remap(image, places, np.empty(0), cv2.INTER_NEAREST)  # type: ignore[no-any-return]


def _order(shape: tuple[int, int], shift: float, draw: np.random.Generator) -> NDArray[np.int64]:
    """Return for each row the places 0, 1, ... sorted by place plus offset; equal ones keep their order."""
    places = np.arange(shape[1])
    offsets = draw.integers(0, round(_STEPS * (2 * shift + 1)), shape)
    keys = ((_STEPS * places + offsets) << _INDEX_BITS) | places
    keys.sort(axis=1)
    keys &= (1 << _INDEX_BITS) - 1
    return keys
