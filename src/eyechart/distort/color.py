"""Colourfulness: less or inverted in HSV, more in Lab."""

from __future__ import annotations

import cv2
import numpy as np

from eyechart.distort.colorspace import Levels, Real, levels_of, roots, settled
from eyechart.distort.pixels import to_pixels, to_reals
from eyechart.distort.registry import Made, Pixels, Severity, register


@register(
    "saturation_hsv",
    family="color",
    severity=Severity("factor", "of HSV's saturation", -1.0, 1.0),
    levels={"kadid10k": (0.4, 0.2, 0.1, 0.0, -0.4)},
    source="KADID-10k 07: S times a factor in HSV; a negative one turns the hue to its opposite",
)
def saturation_hsv(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Scale the saturation, hue and value kept: each channel's distance to the largest channel is scaled."""
    values = to_reals(image)
    value = values.max(axis=-1, keepdims=True)
    return to_pixels(value - severity * (value - values))


@register(
    "saturation_lab",
    family="color",
    severity=Severity("factor", "of Lab's a and b", 0.0, 20.0),
    levels={"kadid10k": (1.0, 2.0, 3.0, 6.0, 9.0)},
    source="KADID-10k 08: a and b times a factor in CIE Lab (D65), clipped on return",
)
def saturation_lab(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Scale the chroma, lightness kept. A factor of 1 (level 1 of KADID-10k) changes nothing."""
    stretch = np.array([[severity, 1 - severity, 0], [0, 1, 0], [0, 1 - severity, severity]])

    def make(pixels: Pixels, real: Real) -> Levels:
        return levels_of(cv2.transform(roots(pixels, real), stretch))

    return settled(make, image, doubt=0.006 + 0.0001 * (1 + severity) ** 3)
