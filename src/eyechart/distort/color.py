"""Colourfulness: more, less or inverted, in three colour spaces."""

from __future__ import annotations

import cv2
import numpy as np

from eyechart.distort.colorspace import Levels, Real, levels_of, luma, roots, settled
from eyechart.distort.registry import TID2013_PSNR, Made, Pixels, Severity, register

_WEAKEN, _STRENGTHEN = "depictqa_weaken", "depictqa_strengthen"
_STEPS = 1 << 15  # of a factor: sums of products with 8-bit values then fit float32


@register(
    "saturation_hsv",
    family="color",
    severity=Severity("factor", "of HSV's saturation", -1.0, 64.0, worse="both", identity=(1.0, 1.0)),
    levels={
        "kadid10k": (0.4, 0.2, 0.1, 0.0, -0.4),
        _WEAKEN: (0.7, 0.55, 0.4, 0.2, 0.0),
        _STRENGTHEN: (3.0, 6.0, 12.0, 20.0, 64.0),
    },
    source="KADID-10k 07 and DepictQA: S times a factor in HSV; a negative one turns the hue to its opposite",
    space="HSV",
)
def saturation_hsv(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Scale the saturation, hue and value kept: each channel's distance to the largest channel is scaled.

    Saturation ends at 1, so a factor above 1 is lower for a pixel whose smallest channel would fall below 0.
    """
    channels = cv2.split(image)
    value = cv2.max(cv2.max(channels[0], channels[1]), channels[2])
    if severity > 1:
        smallest = cv2.min(cv2.min(channels[0], channels[1]), channels[2])
        reals = value.astype(np.float32)
        factor = np.minimum(reals / np.maximum(value - smallest, 1), np.float32(severity))
        more: Levels = cv2.merge([reals - factor * (value - channel) for channel in channels])
        return more
    share = round(severity * _STEPS) / _STEPS
    less: Pixels = cv2.merge([cv2.addWeighted(channel, share, value, 1 - share, 0) for channel in channels])
    return less


@register(
    "saturation_lab",
    family="color",
    severity=Severity("factor", "of Lab's a and b", 0.0, 20.0, worse="both", identity=(1.0, 1.0)),
    levels={"kadid10k": (1.0, 2.0, 3.0, 6.0, 9.0)},
    source="KADID-10k 08: a and b times a factor in CIE Lab (D65), clipped on return",
    space="CIE Lab",
)
def saturation_lab(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Scale the chroma, lightness kept. A factor of 1 (level 1 of KADID-10k) changes nothing."""
    stretch = np.array([[severity, 1 - severity, 0], [0, 1, 0], [0, 1 - severity, severity]])

    def make(pixels: Pixels, real: Real) -> Levels:
        return levels_of(cv2.transform(roots(pixels, real), stretch))

    # Far from grey the cubes cancel. This is 1.5 to 3 times the greatest error among eight million colours.
    return settled(make, image, doubt=0.008 + 0.0002 * (1 + severity) ** 3)


@register(
    "saturation_ycbcr",
    family="color",
    severity=Severity("factor", "of Cb and Cr", -1.0, 20.0, worse="both", identity=(1.0, 1.0)),
    levels={_WEAKEN: (0.6, 0.4, 0.2, 0.1, 0.0), _STRENGTHEN: (2.0, 3.0, 5.0, 8.0, 16.0)},
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 18 (change of colour saturation) and DepictQA: Cb and Cr about their neutral value",
    space="YCbCr (BT.601, full range)",
)
def saturation_ycbcr(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Scale Cb and Cr, Y kept: each channel's distance to the luma. A negative one turns the hue around."""
    brightness = luma(image)
    factor = np.float32(severity)
    levels: Levels = cv2.merge([brightness + factor * (plane - brightness) for plane in cv2.split(image)])
    return levels
