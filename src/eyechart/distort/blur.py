"""Blur: Gaussian, out of focus, in motion. All filter the sRGB values and repeat the border."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from eyechart.distort.kernels import disk, filtered, hard_disk, line
from eyechart.distort.registry import TID2013_PSNR, Pixels, Severity, register
from eyechart.distort.smooth import smoothed


@register(
    "gaussian_blur",
    family="blur",
    severity=Severity("sigma", "px", 0.0, 50.0, identity=(0.0, 0.25)),
    levels={
        "kadid10k": (0.1, 0.5, 1.0, 2.0, 5.0),
        "depictqa": (1.0, 2.0, 3.0, 4.0, 5.0),
        "imagenet_c": (1.0, 2.0, 3.0, 4.0, 6.0),
    },
    targets={"tid2013": TID2013_PSNR},
    ranges={"live": (0.42, 15.0)},
    source="KADID-10k 01, LIVE, TID2013 8: Gaussian of standard deviation sigma, 2 ceil(2 sigma) + 1 taps",
)
def gaussian_blur(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.floating]:
    """Blur with a separable Gaussian. Level 1 of KADID-10k changes nothing: its neighbours weigh exp(-50)."""
    return smoothed(image, severity)


@register(
    "lens_blur",
    family="blur",
    severity=Severity("radius", "px", 0.5, 40.0, identity=(0.5, 0.5)),
    levels={"kadid10k": (1.0, 2.0, 4.0, 6.0, 8.0)},
    source="KADID-10k 02: mean over a disk, pixels at its rim weighted by the area inside",
)
def lens_blur(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Blur with a uniform disk, as a lens out of focus does."""
    return filtered(image, disk(severity))


@register(
    "defocus_blur",
    family="blur",
    severity=Severity("radius", "px", 1.0, 40.0),
    levels={"imagenet_c": (3.0, 4.0, 6.0, 8.0, 10.0)},
    source="ImageNet-C (Hendrycks and Dietterich 2019): pixels with their centre in a disk, softened",
)
def defocus_blur(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Blur with a disk cut at whole pixels and softened, unlike the true area of :func:`lens_blur`.

    As in ImageNet-C's levels the softening Gaussian has a standard deviation of 0.1 px, which does nothing,
    up to a radius of 3 px and of 0.5 px above. DepictQA's lens blur is this disk without any softening.
    """
    return filtered(image, hard_disk(severity, 0.1 if severity <= 3 else 0.5))


@register(
    "motion_blur",
    family="blur",
    severity=Severity("length", "px", 1.0, 100.0, identity=(1.0, 1.0)),
    levels={"kadid10k": (1.0, 2.0, 4.0, 6.0, 10.0)},
    source="KADID-10k 03: mean along a line (MATLAB's fspecial motion) at a random angle",
)
def motion_blur(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Blur along a line at an angle drawn from 0 to 180 degrees. A line of one pixel changes nothing.

    ImageNet-C's and DepictQA's motion blur is one-sided and fades along the line; it is another kernel.
    """
    return filtered(image, line(severity, draw.uniform(0.0, math.pi)))
