"""Additive Gaussian noise whose spectrum is not flat: correlated, pink and of high frequency."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.draws import normal_table, words
from eyechart.distort.registry import TID2013_PSNR, Pixels, Severity, register

_UNIT = 7000  # whole steps of a standard deviation in noise of 16 bits: 4.4 of them fit
_CUT = 1.5  # px, standard deviation of the Gaussian that high-frequency noise lacks
_REACH = 6  # px, four of it


@register(
    "correlated_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 1.0, identity=(0.0, 0.0)),
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 3: Gaussian noise averaged over 3 x 3 pixels, its variance restored (own realisation)",
)
def correlated_noise(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.floating]:
    """Add noise that neighbours share; only the noise is filtered, the image stays sharp."""
    height, width, channels = image.shape
    table = np.rint(_UNIT * normal_table()).astype(np.int16)
    white = table.take(words(draw, height + 2, width + 2, channels))
    sums = cv2.boxFilter(white, cv2.CV_32F, (3, 3), normalize=False)[1:-1, 1:-1]
    noise: NDArray[np.float32] = sums * np.float32(255 * math.sqrt(severity) / (3 * _UNIT))
    return image + noise  # nine values of sigma 1 have a sum of sigma 3


@register(
    "high_frequency_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 1.0, identity=(0.0, 0.0)),
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 5: white noise less its Gaussian blur of 1.5 px, its variance restored (own realisation)",
)
def high_frequency_noise(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.floating]:
    """Add noise without its low frequencies."""
    height, width, channels = image.shape
    table = np.rint(32_768 + _UNIT * normal_table()).astype(np.uint16)
    white = table.take(words(draw, height + 2 * _REACH, width + 2 * _REACH, channels))
    side = 2 * _REACH + 1
    smooth = cv2.GaussianBlur(white, (side, side), _CUT)  # whole numbers: exact on every processor
    inner = (slice(_REACH, _REACH + height), slice(_REACH, _REACH + width))
    rough = cv2.subtract(white[inner], smooth[inner], dtype=cv2.CV_32F)
    noise: NDArray[np.float32] = rough * np.float32(255 * math.sqrt(severity) / (_UNIT * _rest(side)))
    return image + noise


@register(
    "pink_noise",
    family="noise",
    severity=Severity("variance", "of values in 0 to 1", 0.0, 1.0, identity=(0.0, 0.0)),
    levels={"eyechart": (0.001, 0.002, 0.003, 0.005, 0.01)},
    source="CSIQ fnoise: Gaussian noise of amplitude 1/f (CSIQ's levels are not published)",
)
def pink_noise(image: Pixels, severity: float, draw: np.random.Generator) -> NDArray[np.floating]:
    """Add noise whose amplitude falls as 1/f from the lowest frequency on, without a mean, per channel.

    It is scaled so that the noise added to this very image has the variance asked for.
    """
    from scipy.fft import irfft2, rfft2

    height, width, channels = image.shape
    white = normal_table().astype(np.float32).take(words(draw, channels, height, width))
    frequency = np.sqrt(np.fft.fftfreq(height)[:, None] ** 2 + np.fft.rfftfreq(width) ** 2)
    frequency[0, 0] = np.inf
    pink = irfft2(rfft2(white) / frequency.astype(np.float32), s=(height, width))
    power = np.mean(pink**2, dtype=np.float64)
    scale = 255 * math.sqrt(severity / power) if power else 0.0  # one pixel has nothing but a mean
    return image + np.moveaxis(pink, 0, -1) * np.float32(scale)


def _rest(side: int) -> float:
    """Return the standard deviation of white noise of variance 1 less its Gaussian blur."""
    weights = cv2.getGaussianKernel(side, _CUT).ravel()
    return math.sqrt(1 - 2 * weights[side // 2] ** 2 + (weights @ weights) ** 2)
