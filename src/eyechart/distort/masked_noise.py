"""Noise where the eye sees it least: in the texture that masks it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyechart.distort.blocks import LUMINANCE, SIDE, cosine, from_blocks, from_cosine, to_blocks
from eyechart.distort.draws import normal_table, words
from eyechart.distort.registry import TID2013_PSNR, Pixels, Reals, Severity, register

_SENSITIVITY = (10 / LUMINANCE) ** 2  # the coefficients C of PSNR-HVS-M


@register(
    "masked_noise",
    family="noise",
    severity=Severity("strength", "of the masking threshold", 0.0, 10.0, identity=(0.0, 0.0)),
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 4: Gaussian noise in proportion to the masking threshold (own realisation by PSNR-HVS-M)",
)
def masked_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Reals:
    """Add noise to the cosine coefficients of 8 x 8 blocks, in proportion to what each block masks.

    The standard deviation in coefficient (i, j), the mean excepted, is severity E / C(i, j), where E is the
    masking effect of the block (:func:`masking`) and C the contrast sensitivity. Flat blocks do not change.
    """
    planes = np.moveaxis(image, -1, 0)
    blocks = to_blocks(planes.astype(np.int64))
    noise = normal_table().take(words(draw, *blocks.shape))
    noise *= severity * masking(blocks)[..., None, None] / _SENSITIVITY
    noise[..., 0, 0] = 0
    planes = planes + from_blocks(from_cosine(noise), *image.shape[:2])
    return np.moveaxis(planes, 0, -1)


def masking(blocks: NDArray[np.int64]) -> Reals:
    """Return how much noise each block (..., 8, 8) masks (float64).

    E = sqrt(sum of C X^2 * share) / 32 over the coefficients X but the mean; ``share`` is the variance inside
    the four quarters over that of the block, so that an edge between two flat sides masks little
    (Ponomarenko et al., On between-coefficient contrast masking of DCT basis functions, VPQM 2007).
    """
    coefficients = cosine(blocks)
    coefficients[..., 0, 0] = 0
    energy = (_SENSITIVITY * coefficients**2).sum(axis=(-2, -1))
    half = SIDE // 2
    quarters = blocks.reshape(*blocks.shape[:-2], 2, half, 2, half).swapaxes(-3, -2)
    whole = _variance_sum(blocks)
    share = _variance_sum(quarters).sum(axis=(-2, -1)) / np.where(whole > 0, whole, 1.0)
    effect: Reals = np.sqrt(energy * share) / 32
    return effect


def _variance_sum(blocks: NDArray[np.int64]) -> Reals:
    """Return the unbiased variance of the last two axes times their count; exact up to the division."""
    count = blocks.shape[-1] * blocks.shape[-2]
    squares = (blocks**2).sum(axis=(-2, -1)) * count - blocks.sum(axis=(-2, -1)) ** 2
    variances: Reals = squares / (count - 1)
    return variances
