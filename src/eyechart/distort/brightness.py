"""Brightness: tone curves that raise or lower it, and too little light."""

from __future__ import annotations

import math

import cv2
import numpy as np

from eyechart.distort.colorspace import Levels, Real, codes_of_light, levels_of, linear, roots, settled
from eyechart.distort.pixels import by_table
from eyechart.distort.registry import TID2013_PSNR, Made, Pixels, Severity, register

_CODES = np.arange(256) / 255.0
_SHOT = 1.1e-3  # variance of light 1; sqrt(1e-4 * 0.012), the middle of the published range
_READ = float(np.exp(2.18 * np.log(_SHOT) + 1.2))  # the published relation, without its scatter


@register(
    "brighten",
    family="brightness",
    severity=Severity("amount", "twice the rise of mid-grey", 0.0, 2.0, identity=(0.0, 0.0)),
    levels={"kadid10k": (0.1, 0.2, 0.4, 0.7, 1.1)},
    source="KADID-10k 16: two thirds of the curve on R, G and B, one third of the curve on Lab's L",
    space="sRGB and CIE Lab",
)
def brighten(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Raise mid-grey to 0.5 + amount / 2, partly in RGB and partly in lightness alone.

    The curve is the parabola through (0, 0), (1/2, 1/2 + amount / 2) and (1, 1), clipped at 1.
    """
    middle = 0.5 + severity / 2

    def make(pixels: Pixels, real: Real) -> Levels:
        found = roots(pixels, real)
        light = found[..., 1] * real(1.16) - real(0.16)
        rise = (_parabola(light, middle) - light) / real(1.16)
        levels = levels_of(found + cv2.merge([rise, rise, rise]))
        levels += cv2.LUT(pixels, (2 * 255 * _parabola(_CODES, middle)).astype(real))
        levels /= 3
        return levels

    return settled(make, image, doubt=0.004)


@register(
    "darken",
    family="brightness",
    severity=Severity("amount", "twice the fall of mid-grey", 0.0, 1.0, identity=(0.0, 0.0)),
    levels={"kadid10k": (0.05, 0.1, 0.2, 0.4, 0.8)},
    source="KADID-10k 17: the curve on R, G and B",
)
def darken(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Lower mid-grey to 0.5 - amount / 2: the parabola through (0, 0), that and (1, 1), clipped at 0."""
    return by_table(image, _parabola(_CODES, 0.5 - severity / 2))


@register(
    "mean_shift",
    family="brightness",
    severity=Severity("shift", "of white, signed", -1.0, 1.0, worse="both", identity=(0.0, 0.0)),
    levels={
        "kadid10k": (0.15, 0.08, 0.0, -0.08, -0.15),
        "depictqa_brighten": (0.1, 0.15, 0.2, 0.27, 0.35),
        "depictqa_darken": (-0.1, -0.15, -0.2, -0.27, -0.35),
    },
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 18, TID2013 16, DepictQA's shift in RGB",
)
def mean_shift(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Add a constant to R, G and B and clip: above 0 brighter, below 0 darker.

    Level 3 of KADID-10k changes nothing.
    """
    shift = math.floor(255 * severity + 0.5)
    return cv2.add(image, (shift, shift, shift, 0))  # type: ignore[no-any-return]


@register(
    "gamma",
    family="brightness",
    severity=Severity("exponent", "1", 0.1, 10.0, worse="both", identity=(1.0, 1.0)),
    levels={"depictqa_brighten": (0.8, 0.7, 0.6, 0.45, 0.3), "depictqa_darken": (1.4, 1.7, 2.1, 2.6, 3.2)},
    source="DepictQA's gamma in RGB (You et al. 2024)",
)
def gamma(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Raise R, G and B (0 to 1) to a power: above 1 darker, below 1 brighter."""
    return by_table(image, _CODES**severity)


@register(
    "low_light",
    family="brightness",
    severity=Severity("underexposure", "stops", 0.0, 10.0),
    levels={"eyechart": (0.25, 0.5, 1.0, 2.0, 4.0)},
    source="shot and read noise of Brooks et al. 2019 (Unprocessing Images for Learned Raw Denoising), "
    "as the Gaussian approximation of Foi et al. 2008",
    space="linear light",
)
def low_light(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Halve the light once a stop, and add the noise of a sensor that gets so little of it.

    Light y (0 to 1) gets normal noise of the variance shot * y + read, independent in R, G and B.
    """
    light = 2.0**-severity * linear(np.arange(256, dtype=np.uint8))
    noisy = draw.standard_normal(image.shape, dtype=np.float32)
    noisy *= cv2.LUT(image, np.sqrt(_SHOT * light + _READ).astype(np.float32))
    noisy += cv2.LUT(image, light.astype(np.float32))
    return codes_of_light(noisy)


def _parabola(x: Levels, middle: float) -> Levels:
    return np.clip((2 - 4 * middle) * x * x + (4 * middle - 1) * x, 0.0, 1.0)
