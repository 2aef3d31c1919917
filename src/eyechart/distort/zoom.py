"""Blur as by zooming during the exposure."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Pixels, Severity, register

_STEP = 0.01  # between the zooms of neighbouring copies
_PARTS = 32  # coordinates are multiples of 1/32 px
_HIGHEST = 1.6  # 61 copies


@register(
    "zoom_blur",
    family="blur",
    severity=Severity("zoom", "largest, of the last copy", 1.0, _HIGHEST, identity=(1.0, 1.0)),
    levels={"eyechart": (1.03, 1.06, 1.1, 1.15, 1.21)},
    source="after ImageNet-C and DepictQA-Wild: mean of copies that are zoomed ever more about the centre",
)
def zoom_blur(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Average the image with copies zoomed about its centre, in equal steps of at most 0.01, bilinearly.

    The own levels end where DepictQA-Wild's do; it and most levels of ImageNet-C take coarser steps, which
    show as double contours. Coordinates are rounded to 1/32 px and each copy to whole grey levels, as OpenCV
    interpolates 8 bits exactly and fast; the sum of whole numbers is exact in float32.
    """
    copies = math.ceil(round((severity - 1) / _STEP, 6)) + 1
    total = image.astype(np.float32)
    for zoom in np.linspace(1.0, severity, copies)[1:]:
        cv2.accumulate(_zoomed(image, float(zoom)), total)
    total /= np.float32(copies)
    return total


def _zoomed(image: Pixels, zoom: float) -> Pixels:
    height, width = image.shape[:2]
    y, x = _sources(height, zoom)[:, None], _sources(width, zoom)
    whole = np.empty((height, width, 2), np.int16)
    whole[..., 0], whole[..., 1] = x // _PARTS, y // _PARTS
    part = (y % _PARTS * _PARTS).astype(np.uint16) + (x % _PARTS).astype(np.uint16)  # as OpenCV packs them
    return cv2.remap(  # type: ignore[no-any-return]
        image, whole, part, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _sources(length: int, zoom: float) -> NDArray[np.int64]:
    """Return where the pixels of one axis come from, in 1/32 px."""
    centre = (length - 1) / 2
    places: NDArray[np.int64] = np.rint(_PARTS * (centre + (np.arange(length) - centre) / zoom)).astype(
        np.int64
    )
    return places
