"""Blur: Gaussian, out of focus, in motion. All filter the sRGB values and repeat the border."""

from __future__ import annotations

import math

import cv2
import numpy as np

from eyechart.distort.pixels import to_pixels, to_reals
from eyechart.distort.registry import Pixels, Reals, Severity, register


@register(
    "gaussian_blur",
    family="blur",
    severity=Severity("sigma", "px", 0.0, 50.0),
    levels={"kadid10k": (0.1, 0.5, 1.0, 2.0, 5.0)},
    source="KADID-10k 01: Gaussian of standard deviation sigma, 2 ceil(2 sigma) + 1 taps",
)
def gaussian_blur(image: Pixels, severity: float, draw: np.random.Generator) -> Reals:
    """Blur with a separable Gaussian. Level 1 of KADID-10k changes nothing: its neighbours weigh exp(-50)."""
    side = 2 * math.ceil(2 * severity) + 1
    return cv2.GaussianBlur(  # type: ignore[no-any-return]
        image.astype(np.float64), (side, side), severity, borderType=cv2.BORDER_REPLICATE
    )


@register(
    "lens_blur",
    family="blur",
    severity=Severity("radius", "px", 0.5, 40.0),
    levels={"kadid10k": (1.0, 2.0, 4.0, 6.0, 8.0)},
    source="KADID-10k 02: mean over a disk, pixels at its rim weighted by the area inside",
)
def lens_blur(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Blur with a uniform disk, as a lens out of focus does."""
    return _filtered(image, disk(severity))


@register(
    "motion_blur",
    family="blur",
    severity=Severity("length", "px", 1.0, 100.0),
    levels={"kadid10k": (1.0, 2.0, 4.0, 6.0, 10.0)},
    source="KADID-10k 03: mean along a line (MATLAB's fspecial motion) at a random angle",
)
def motion_blur(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Blur along a line at an angle drawn from 0 to 180 degrees. A line of one pixel changes nothing."""
    return _filtered(image, line(severity, draw.uniform(0.0, math.pi)))


def disk(radius: float) -> Reals:
    """Return the share of each pixel's area inside a disk, normalised (float64, odd square).

    Each of 64 rows of a pixel is cut by the disk exactly; only across the rows is the area sampled.
    """
    reach = math.ceil(radius - 0.5)
    rows = 64
    heights = (np.arange((2 * reach + 1) * rows) + 0.5) / rows - reach - 0.5
    half = np.sqrt(np.maximum(radius**2 - heights**2, 0.0))[:, None]
    left = np.arange(-reach, reach + 1) - 0.5
    inside = np.maximum(np.minimum(left + 1, half) - np.maximum(left, -half), 0.0)
    area: Reals = inside.reshape(2 * reach + 1, rows, -1).sum(axis=1)
    area /= area.sum()
    return area


def line(length: float, angle: float) -> Reals:
    """Return the weights max(0, 1 - distance to a segment of ``length`` - 1 px), normalised; radians."""
    half = (length - 1) / 2
    reach = math.ceil(half)
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    along = right * math.cos(angle) - down * math.sin(angle)
    across = right * math.sin(angle) + down * math.cos(angle)
    weights: Reals = np.maximum(0.0, 1 - np.hypot(np.maximum(np.abs(along) - half, 0.0), across))
    weights /= weights.sum()
    return weights


def _filtered(image: Pixels, kernel: Reals) -> Pixels:
    return to_pixels(cv2.filter2D(to_reals(image), -1, kernel, borderType=cv2.BORDER_REPLICATE))
