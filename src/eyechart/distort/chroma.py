"""Colours out of place: spread over their surroundings, or with channels shifted against each other."""

from __future__ import annotations

import math

import cv2
import numpy as np

from eyechart.distort.colorspace import Levels, levels_of, luma, roots
from eyechart.distort.registry import TID2013_PSNR, Made, Pixels, Reals, Severity, register

_STEPS = 1 << 15  # of a weight: sums of products with 8-bit values then fit float32
_KEEP = np.ones(1, np.float32)


@register(
    "color_diffusion",
    family="color",
    severity=Severity("amount", "factor of the blurred chroma", 1.0, 24.0),
    levels={"kadid10k": (1.0, 3.0, 6.0, 8.0, 12.0)},
    source="KADID-10k 04: a and b of CIE Lab blurred with sigma 1.5 amount + 2 px, and times the amount",
    space="CIE Lab",
)
def color_diffusion(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Let the colours run: blur a and b and raise them, L kept.

    The Gaussian has 2 ceil(2 sigma) + 1 taps, as that of the corpus, and the border is repeated.
    """
    sigma = 1.5 * severity + 2
    side = 2 * math.ceil(2 * sigma) + 1
    x, y, z = cv2.split(roots(image))
    chroma = cv2.GaussianBlur(cv2.merge([x - y, z - y]), (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
    chroma *= severity
    return levels_of(cv2.merge([y + chroma[..., 0], y, y + chroma[..., 1]]))


@register(
    "color_shift",
    family="color",
    severity=Severity("shift", "px", 0.0, 64.0, identity=(0.0, 0.5)),
    levels={"kadid10k": (1.0, 3.0, 6.0, 8.0, 12.0)},
    source="KADID-10k 05: green moved down and right by round(amount u), u a random unit vector; blended in "
    "where the picture has structure",
)
def color_shift(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Move green towards +x and +y, more so near edges; the border is mirrored."""
    direction = draw.random(2)
    down, right = np.rint(severity * direction / np.hypot(*direction)).astype(int)
    green = np.ascontiguousarray(image[..., 1])
    height, width = green.shape
    moved = np.pad(green, ((down, 0), (right, 0)), mode="symmetric")[:height, :width].astype(np.float64)
    levels = image.astype(np.float64)
    levels[..., 1] += _structure(image) * (moved - green)
    return levels


@register(
    "chromatic_aberration",
    family="color",
    severity=Severity("displacement", "px, of red and of blue", 0.0, 20.0, identity=(0.0, 0.0)),
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 23: red and blue displaced against green",
)
def chromatic_aberration(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Move red to the right and blue to the left by as much, bicubically; the border is repeated."""
    red, green, blue = cv2.split(image)
    levels: Levels = cv2.merge(
        [_moved_right(red, severity), green.astype(np.float32), _moved_right(blue, -severity)]
    )
    return levels


def _structure(image: Pixels) -> Reals:
    """Return where there are edges (float64 HW, 0 to 1): the blurred gradient of the luma.

    Spread over 0 to 1, raised to at least 0.1, cut to its percentiles 1 and 99, and spread again.
    """
    grey = luma(image).astype(np.float64)
    across, along = (
        np.gradient(grey, axis=axis) if size > 1 else np.zeros_like(grey)
        for axis, size in enumerate(grey.shape)
    )
    edges = cv2.GaussianBlur(np.sqrt(across**2 + along**2), (17, 17), 4, borderType=cv2.BORDER_REPLICATE)
    edges = _spread(np.maximum(_spread(edges), 0.1))
    return _spread(np.clip(edges, *np.percentile(edges, (1, 99))))


def _spread(values: Reals) -> Reals:
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if low < high else values


def _moved_right(plane: Pixels, distance: float) -> Levels:
    """Return real grey levels (float32 HW), exactly: the weights are whole numbers of 1 / _STEPS."""
    reach = math.floor(abs(distance)) + 2
    weights = np.rint(_keys(distance + np.arange(-reach, reach + 1, dtype=np.float64)) * _STEPS)
    weights[np.argmax(weights)] += _STEPS - weights.sum()
    kernel = (weights / _STEPS).astype(np.float32)
    moved: Levels = cv2.sepFilter2D(plane, cv2.CV_32F, kernel, _KEEP, borderType=cv2.BORDER_REPLICATE)
    return moved


def _keys(distance: Reals) -> Reals:
    """Return Keys' cubic kernel (1981) with a = -1/2."""
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d * d + 1
    return np.where(d <= 1, near, np.where(d < 2, ((-0.5 * d + 2.5) * d - 4) * d + 2, 0.0))
