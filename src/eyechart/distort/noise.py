"""Noise that is independent from pixel to pixel. Values are sRGB; results are clipped and rounded."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.draws import normal_table, uniform_table, words
from eyechart.distort.registry import TID2013_PSNR, Pixels, Severity, register


@register(
    "white_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 4.0, identity=(0.0, 0.0)),
    levels={
        "kadid10k": (0.001, 0.002, 0.003, 0.005, 0.01),
        "depictqa": (0.0025, 0.01, 0.0225, 0.04, 0.0625),  # sigma 0.05 0.10 0.15 0.20 0.25
        "imagenet_c": (0.0064, 0.0144, 0.0324, 0.0676, 0.1444),  # sigma 0.08 0.12 0.18 0.26 0.38
    },
    targets={"tid2013": TID2013_PSNR},
    ranges={"live": (0.000144, 4.0)},  # sigma 0.012 to 2
    source="KADID-10k 11, LIVE wn, CSIQ awgn, TID2013 1: Gaussian, independent per pixel and channel",
)
def white_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Add independent Gaussian noise to every channel."""
    offsets = np.rint(255 * math.sqrt(severity) * normal_table()).astype(np.int16)
    return cv2.add(image, offsets.take(words(draw, *image.shape)), dtype=cv2.CV_8U)  # type: ignore[no-any-return]


@register(
    "color_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 1.0, identity=(0.0, 0.0)),
    levels={"kadid10k": (0.0001, 0.0005, 0.001, 0.002, 0.003)},
    targets={"tid2013": TID2013_PSNR},
    space="YCbCr",
    source="KADID-10k 12, TID2013 2: Gaussian of equal variance in Y, Cb and Cr (ITU-R BT.601, full range)",
)
def color_noise(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Add independent Gaussian noise to Y, Cb and Cr. As this is linear, only the noise is converted."""
    table = (255 * math.sqrt(severity) * normal_table()).astype(np.float32)
    luma, blue, red = table.take(words(draw, 3, *image.shape[:2]))
    channels = (luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)
    return cv2.add(image, cv2.merge(channels), dtype=cv2.CV_32F)  # type: ignore[no-any-return]


@register(
    "impulse_noise",
    family="noise",
    severity=Severity("density", "share of values", 0.0, 1.0, identity=(0.0, 0.0)),
    levels={
        "kadid10k": (0.001, 0.005, 0.01, 0.02, 0.03),
        "depictqa": (0.01, 0.03, 0.05, 0.07, 0.10),
        "imagenet_c": (0.03, 0.06, 0.09, 0.17, 0.27),
    },
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 13, TID2013 6: salt and pepper, per channel (MATLAB's imnoise)",
)
def impulse_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Set a share of the values, each channel on its own, to 0 or 255 with equal chance.

    With the same draw the values that are set at one density are set at every higher one, to the same value.
    """
    chance = draw.bit_generator.random_raw(-(-image.size // 2)).view(np.uint32)[: image.size]
    places = np.flatnonzero(chance < round(severity * 2**32))
    distorted = image.copy()
    distorted.reshape(-1)[places] = (chance[places] & 1) * 255
    return distorted


@register(
    "multiplicative_noise",
    family="noise",
    severity=Severity("variance", "of the factor", 0.0, 1.0, identity=(0.0, 0.0)),
    levels={"kadid10k": (0.001, 0.005, 0.01, 0.02, 0.05)},
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 14, TID2013 19: x + x n with n uniform of mean zero (MATLAB's speckle)",
)
def multiplicative_noise(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Multiply every value by 1 + n, n uniform of mean zero and the given variance."""
    factors = (1 + math.sqrt(severity) * uniform_table()).astype(np.float32)
    return image * factors.take(words(draw, *image.shape))


@register(
    "speckle_noise",
    family="noise",
    severity=Severity("sigma", "of the factor", 0.0, 2.0, identity=(0.0, 0.0)),
    levels={"depictqa": (0.14, 0.21, 0.28, 0.35, 0.42), "imagenet_c": (0.15, 0.2, 0.35, 0.45, 0.6)},
    source="ImageNet-C speckle noise, DepictQA speckle: x + x n with n Gaussian",
)
def speckle_noise(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.float32]:
    """Multiply every value by 1 + n, n Gaussian of mean zero and the given standard deviation."""
    factors = (1 + severity * normal_table()).astype(np.float32)
    return image * factors.take(words(draw, *image.shape))
