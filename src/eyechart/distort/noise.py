"""Noise. Values are sRGB in 0 to 1; results are clipped."""

from __future__ import annotations

import math

import numpy as np

from eyechart.distort.pixels import to_pixels, to_reals
from eyechart.distort.registry import Pixels, Severity, register

# YCbCr (ITU-R BT.601, full range) to RGB, for differences.
_FROM_YCBCR = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]])


@register(
    "white_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 1.0),
    levels={"kadid10k": (0.001, 0.002, 0.003, 0.005, 0.01)},
    source="KADID-10k 11: Gaussian, independent per pixel and channel",
)
def white_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Add independent Gaussian noise to every channel."""
    return to_pixels(to_reals(image) + math.sqrt(severity) * draw.standard_normal(image.shape))


@register(
    "color_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 1.0),
    levels={"kadid10k": (0.0001, 0.0005, 0.001, 0.002, 0.003)},
    source="KADID-10k 12: Gaussian of equal variance in Y, Cb and Cr (full range)",
)
def color_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Add independent Gaussian noise to Y, Cb and Cr. As this is linear, only the noise is converted."""
    noise = draw.standard_normal(image.shape) @ _FROM_YCBCR.T
    return to_pixels(to_reals(image) + math.sqrt(severity) * noise)


@register(
    "impulse_noise",
    family="noise",
    severity=Severity("density", "share of values", 0.0, 1.0),
    levels={"kadid10k": (0.001, 0.005, 0.01, 0.02, 0.03)},
    source="KADID-10k 13: salt and pepper, per channel (MATLAB's imnoise)",
)
def impulse_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Set a share of the values, each channel on its own, to 0 or 255 with equal chance."""
    chance = draw.random(image.shape)
    distorted = image.copy()
    distorted[chance < severity] = 255
    distorted[chance < severity / 2] = 0
    return distorted


@register(
    "multiplicative_noise",
    family="noise",
    severity=Severity("variance", "of the factor", 0.0, 1.0),
    levels={"kadid10k": (0.001, 0.005, 0.01, 0.02, 0.05)},
    source="KADID-10k 14: x + x n with n uniform of mean zero (MATLAB's speckle)",
)
def multiplicative_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Multiply every value by 1 + n, n uniform of mean zero and the given variance."""
    reach = math.sqrt(3 * severity)
    return to_pixels(to_reals(image) * draw.uniform(1 - reach, 1 + reach, image.shape))
