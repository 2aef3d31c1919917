"""From 8-bit pixels to real numbers and back, the same on every machine."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Pixels, Reals

# Sums of floating-point numbers differ in their last bits between processors. Ties are rounded up from a hair
# below one half, so that those bits cannot decide a pixel.
_HALF = 0.5 + 1e-7


def to_reals(image: Pixels) -> Reals:
    """Return float64 values in 0 to 1."""
    return image / 255.0


def to_pixels(values: NDArray[np.floating]) -> Pixels:
    """Clip values in 0 to 1 and round them to uint8."""
    scaled = values * 255.0
    scaled += _HALF
    np.clip(scaled, 0.5, 255.5, out=scaled)
    return scaled.astype(np.uint8)


def by_table(image: Pixels, curve: NDArray[np.floating]) -> Pixels:
    """Apply a tone curve given at the 256 input values (float64 in 0 to 1) to every channel."""
    return cv2.LUT(image, to_pixels(curve))  # type: ignore[no-any-return]


def psnr(image: Pixels, reference: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB over all channels; infinite for identical images."""
    squares = round(cv2.norm(image, reference, cv2.NORM_L2SQR))  # a whole number, off by less than 0.01
    return float(10 * np.log10(255.0**2 * image.size / squares)) if squares else float("inf")


def rounded(levels: NDArray[np.floating]) -> Pixels:
    """Round real grey levels (0 to 255, float32 or float64 HWC) to uint8 and clip them; ties go to even."""
    return cv2.add(levels, (0, 0, 0, 0), dtype=cv2.CV_8U)  # type: ignore[no-any-return]


def stretched(levels: Pixels | NDArray[np.floating]) -> Reals:
    """Spread an image over 0 to 255, from its lowest value to its highest (float64, real grey levels).

    KADID-10k's generator does so before and after every distortion (``mapmm``). A flat image is unchanged.
    """
    low, high = float(levels.min()), float(levels.max())
    reals = levels.astype(np.float64)
    return reals if low == high else (reals - low) * (255.0 / (high - low))
