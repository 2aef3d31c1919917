"""Comfort noise: texture that a coder dropped and a decoder made up."""

from __future__ import annotations

import numpy as np

from eyechart.distort.blocks import LUMINANCE, cosine, from_blocks, from_cosine, to_blocks
from eyechart.distort.draws import normal_table, words
from eyechart.distort.registry import TID2013_PSNR, Pixels, Reals, Severity, register


@register(
    "comfort_noise",
    family="noise",
    severity=Severity("step", "of JPEG's luminance table", 0.0, 50.0, identity=(0.0, 0.0)),
    targets={"tid2013": TID2013_PSNR},
    space="YCbCr",
    source="TID2013 20: quantised cosine coefficients, lost ones replaced by noise (own realisation)",
)
def comfort_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Reals:
    """Quantise the cosine coefficients of 8 x 8 blocks; where that leaves zero, put noise as strong.

    The steps are a multiple of JPEG's table for luminance, in Y, Cb and Cr alike. A lost coefficient is
    multiplied by a standard normal: it keeps its expected energy, and loses its sign and magnitude. The mean
    of a block stays as it is.
    """
    height, width = image.shape[:2]
    coefficients = cosine(to_blocks(_luma_chroma(image)))
    step = np.maximum(severity * LUMINANCE, 1e-6)
    kept = np.rint(coefficients / step) * step
    noise = normal_table().take(words(draw, *coefficients.shape)) * coefficients
    made = np.where(kept == 0, noise, kept)
    made[..., 0, 0] = coefficients[..., 0, 0]
    return _rgb(from_blocks(from_cosine(made), height, width))


def _luma_chroma(image: Pixels) -> Reals:
    """Return Y, Cb and Cr (ITU-R BT.601, full range, grey at 0) of shape (3, height, width)."""
    red, green, blue = np.moveaxis(image.astype(np.float64), -1, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return np.stack([luma, (blue - luma) / 1.772, (red - luma) / 1.402])


def _rgb(planes: Reals) -> Reals:
    """Undo :func:`_luma_chroma`."""
    luma, blue, red = planes
    green = luma - (0.114 * 1.772 / 0.587) * blue - (0.299 * 1.402 / 0.587) * red
    return np.stack([luma + 1.402 * red, green, luma + 1.772 * blue], axis=-1)
