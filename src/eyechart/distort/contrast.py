"""Contrast: signed changes, to either side of the severity that changes nothing."""

from __future__ import annotations

import cv2
import numpy as np

from eyechart.distort.pixels import by_table
from eyechart.distort.registry import TID2013_PSNR, Made, Pixels, Severity, register

_CODES = np.arange(256) / 255.0


@register(
    "contrast_change",
    family="contrast",
    severity=Severity("amount", "signed", -1.0, 1.0, worse="both", identity=(-0.2, -0.2)),
    levels={"kadid10k": (0.3, 0.15, 0.0, -0.4, -0.6)},
    source="KADID-10k 25: cubic through (0, 0) (.3, .25 - a/4) (.5, .5) (.7, .75 + a/4) (1, 1)",
)
def contrast_change(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Bend the tone curve. The image is unchanged at an amount of -0.2, not at 0."""
    t = _CODES - 0.5
    bend = -(0.05 + severity / 4) / 0.042
    return by_table(image, 0.5 + (1 - bend / 4) * t + bend * t**3)


@register(
    "contrast_scale",
    family="contrast",
    severity=Severity("factor", "of the distance to the mean", 0.0, 10.0, worse="both", identity=(1.0, 1.0)),
    levels={
        "depictqa_weaken": (0.75, 0.6, 0.45, 0.3, 0.2),
        "depictqa_strengthen": (1.4, 1.7, 2.1, 2.6, 4.0),
    },
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 17, CSIQ's global contrast decrements, DepictQA (Pillow's ImageEnhance.Contrast)",
)
def contrast_scale(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Scale the distance of R, G and B to the image's mean luma, and clip.

    One mean for all channels keeps grey grey. (ImageNet-C takes each channel's own, which also fades a cast.)
    """
    mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0] / 255
    return by_table(image, mean + severity * (_CODES - mean))
