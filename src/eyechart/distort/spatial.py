"""Spatial distortions: pixels a little out of place."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.draws import normal_table, words
from eyechart.distort.registry import Pixels, Severity, register

_PASSES = 5
_PARTS = 32  # coordinates are multiples of 1/32 px


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
        image = fetched(image, steps[words(draw, *image.shape[:2], 2)])
    return image


def fetched(image: Pixels, steps: NDArray[np.int16]) -> Pixels:
    """Return the image fetched from offsets (int16 HW2: x, y in 1/32 px), bicubic, the border repeated.

    OpenCV interpolates 8-bit pixels at such coordinates in whole numbers, the same on every processor.
    """
    whole = steps >> 5
    whole[..., 0] += np.arange(image.shape[1], dtype=np.int16)
    whole[..., 1] += np.arange(image.shape[0], dtype=np.int16)[:, None]
    part = (steps[..., 1] & 31) << 5 | steps[..., 0] & 31  # how OpenCV packs the fractions
    return cv2.remap(  # type: ignore[no-any-return]
        image, whole, part.view(np.uint16), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
