"""Contrast: a signed change; a positive amount raises it, a negative one lowers it."""

from __future__ import annotations

import numpy as np

from eyechart.distort.pixels import by_table
from eyechart.distort.registry import Pixels, Severity, register


@register(
    "contrast_change",
    family="contrast",
    severity=Severity("amount", "signed", -1.0, 1.0),
    levels={"kadid10k": (0.3, 0.15, 0.0, -0.4, -0.6)},
    source="KADID-10k 25: cubic through (0, 0) (.3, .25 - a/4) (.5, .5) (.7, .75 + a/4) (1, 1)",
)
def contrast_change(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Bend the tone curve. The image is unchanged at an amount of -0.2, not at 0."""
    t = np.arange(256) / 255.0 - 0.5
    bend = -(0.05 + severity / 4) / 0.042
    return by_table(image, 0.5 + (1 - bend / 4) * t + bend * t**3)
