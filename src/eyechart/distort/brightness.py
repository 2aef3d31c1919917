"""Brightness: a parabola through (0, 0), (1/2, c) and (1, 1)."""

from __future__ import annotations

import numpy as np

from eyechart.distort.colorspace import lab_to_rgb, rgb_to_lab
from eyechart.distort.pixels import by_table, to_pixels
from eyechart.distort.registry import Pixels, Reals, Severity, register

_CODES = np.arange(256) / 255.0


@register(
    "brighten",
    family="brightness",
    severity=Severity("amount", "twice the rise of mid-grey", 0.0, 2.0),
    levels={"kadid10k": (0.1, 0.2, 0.4, 0.7, 1.1)},
    source="KADID-10k 16: two thirds of the curve on R, G and B, one third of the curve on Lab's L",
)
def brighten(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Raise mid-grey to 0.5 + amount / 2, partly in RGB and partly in lightness alone."""
    middle = 0.5 + severity / 2
    lab = rgb_to_lab(image)
    lab[..., 0] = 100 * _parabola(lab[..., 0] / 100, middle)
    return to_pixels((2 * _parabola(_CODES, middle)[image] + lab_to_rgb(lab)) / 3)


@register(
    "darken",
    family="brightness",
    severity=Severity("amount", "twice the fall of mid-grey", 0.0, 1.0),
    levels={"kadid10k": (0.05, 0.1, 0.2, 0.4, 0.8)},
    source="KADID-10k 17: the curve on R, G and B",
)
def darken(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Lower mid-grey to 0.5 - amount / 2."""
    return by_table(image, _parabola(_CODES, 0.5 - severity / 2))


def _parabola(x: Reals, middle: float) -> Reals:
    return np.clip((2 - 4 * middle) * x * x + (4 * middle - 1) * x, 0.0, 1.0)
