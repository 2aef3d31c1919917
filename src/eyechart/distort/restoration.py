"""Traces of restoration: denoised, sampled sparsely and reconstructed, shrunk and enlarged."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.blocks import SIDE
from eyechart.distort.draws import normal_table, words
from eyechart.distort.registry import TID2013_PSNR, Pixels, Reals, Severity, register
from eyechart.distort.shrinkage import without_small

_GRIDS = ((0, 0), (2, 4), (4, 2), (6, 6))
# Thresholds from the lowest to the highest frequency, in standard deviations of the noise: what survives has
# the spectrum of the noise that survives in KADID-10k's level 5.
_THRESHOLDS = 2.2 + 1.2 * np.add.outer(np.arange(SIDE), np.arange(SIDE)) / (2 * SIDE - 2)
_ROUNDS = 6
# Means of a few pixels may be ties; a hair above them, the last bits of a sum cannot decide a pixel.
_HAIR = 1e-7


@register(
    "denoise",
    family="restoration",
    severity=Severity("variance", "of the noise, values in 0 to 1", 0.0, 1.0, identity=(0.0, 0.0)),
    levels={"kadid10k": (0.01, 0.03, 0.05, 0.1, 0.15)},
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 15, TID2013 9: white noise, then a denoiser on each channel; not KADID-10k's DnCNN",
)
def denoise(image: Pixels, severity: float, draw: np.random.Generator) -> Reals:
    """Add white noise, clip, and set small DCT coefficients of overlapping 8 x 8 blocks to zero.

    Detail is smeared, and noise that survives stands as short strokes and blotches in false colours.
    KADID-10k denoised with the network DnCNN, which is not part of this package. In the one public sample
    (level 5) what is left has the same spectrum and size, but DnCNN leaves longer strokes, keeps the
    contrast of dark places better, and its residual is less alike between the channels.
    """
    noisy = image + (255 * math.sqrt(severity) * normal_table())[words(draw, *image.shape)]
    np.clip(np.rint(noisy, out=noisy), 0, 255, out=noisy)
    return _pixels(without_small(_planes(noisy), np.std(noisy - image) * _THRESHOLDS, _GRIDS))


@register(
    "sparse_sampling",
    family="restoration",
    severity=Severity("share", "of the pixels kept", 0.005, 1.0, worse="low", identity=(1.0, 1.0)),
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 24, sparse sampling and reconstruction; own definition of the name",
)
def sparse_sampling(image: Pixels, severity: float, draw: np.random.Generator) -> Reals:
    """Keep randomly chosen pixels and fill in the rest so that 8 x 8 blocks have few DCT coefficients.

    The first guess is the weighted mean of the kept pixels near by; then small coefficients are set to zero
    and the kept pixels put back, with an ever lower threshold.
    """
    kept = draw.random(image.shape[:2]) < severity
    kept[draw.integers(image.shape[0]), draw.integers(image.shape[1])] = True  # of a tiny image at least one
    planes = _planes(image.astype(np.float64))
    known = planes[:, kept]
    found = _interpolated(planes, kept, 0.6 / math.sqrt(severity))
    for turn, threshold in enumerate(np.geomspace(60.0, 4.0, _ROUNDS)):
        found[:, kept] = known
        found = without_small(found, threshold, [(3 * turn % 8, 5 * turn % 8)])
    found[:, kept] = known
    return _pixels(found)


def _interpolated(planes: Reals, kept: NDArray[np.bool_], sigma: float) -> Reals:
    """Return the mean of the kept values near by, weighted by a Gaussian; far from any, the mean of all."""
    far = 1e-6  # the weight of all
    weights = cv2.GaussianBlur(kept.astype(np.float64), (0, 0), sigma) + far
    means = planes[:, kept].mean(axis=1)
    sums = [
        cv2.GaussianBlur(plane * kept, (0, 0), sigma) + far * mean
        for plane, mean in zip(planes, means, strict=True)
    ]
    found: Reals = np.stack(sums) / weights
    return found


def _planes(levels: Reals) -> Reals:
    return np.ascontiguousarray(levels.transpose(2, 0, 1))


def _pixels(planes: Reals) -> Reals:
    return planes.transpose(1, 2, 0) + _HAIR


@register(
    "downscale",
    family="restoration",
    severity=Severity("factor", "by which each side is shrunk", 1.0, 16.0, identity=(1.0, 1.0)),
    levels={"eyechart": (1.5, 2.0, 3.0, 4.0, 6.0)},
    source="downscale and upscale, as users of imagecorruptions and DepictQA expect: area mean, bicubic",
)
def downscale(image: Pixels, severity: float, draw: np.random.Generator) -> Reals:
    """Shrink by the mean over areas (sizes are rounded) and enlarge again bicubically.

    The small image is a clean one, unlike that of ``pixelate``, which keeps single pixels.
    """
    height, width = image.shape[:2]
    small = tuple(max(1, round(side / severity)) for side in (width, height))
    means = cv2.resize(image.astype(np.float64), small, interpolation=cv2.INTER_AREA)
    return cv2.resize(means, (width, height), interpolation=cv2.INTER_CUBIC) + _HAIR  # type: ignore[no-any-return]
