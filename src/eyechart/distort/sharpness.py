"""Sharpening beyond what looks natural."""

from __future__ import annotations

import numpy as np

from eyechart.distort.colorspace import lightness, with_lightness_changed
from eyechart.distort.registry import Pixels, Severity, register
from eyechart.distort.smooth import smoothed_plane

_SIGMA = 3.0  # px


@register(
    "sharpen",
    family="sharpness",
    severity=Severity("amount", "of the detail that is added", 0.0, 30.0, identity=(0.0, 0.0)),
    levels={"kadid10k": (1.0, 2.0, 3.0, 6.0, 12.0)},
    source="KADID-10k 24: unsharp masking of Lab's L, Gaussian of standard deviation 3 px with 13 taps",
    space="CIE Lab",
)
def sharpen(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Add the difference between the lightness and the smoothed lightness; L is clipped to 0 to 100."""
    light = lightness(image)
    sharp = light + severity * (light - smoothed_plane(light, _SIGMA))
    return with_lightness_changed(image, np.clip(sharp, 0.0, 100.0) - light)
