"""Poisson noise: light arrives as whole photons."""

from __future__ import annotations

import math

import numpy as np

from eyechart.distort.draws import ENTRIES, words
from eyechart.distort.registry import Pixels, Severity, register

_PARTS = 4096  # equally likely parts of each distribution


@register(
    "poisson_noise",
    family="noise",
    severity=Severity("peak", "photons at white, fewer are worse", 1.0, 10_000.0, worse="low"),
    levels={"depictqa": (80, 60, 40, 25, 15), "imagenet_c": (60, 25, 12, 5, 3)},
    source="ImageNet-C shot noise, DepictQA Poisson: photons of mean peak x, divided by the peak",
)
def poisson_noise(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Replace every value by a Poisson count whose mean is the value's share of the peak.

    A table holds 4,096 equally likely results for each of the 256 values.
    """
    places = image.astype(np.int32) * _PARTS
    places += words(draw, *image.shape) // (ENTRIES // _PARTS)
    return _results(severity).take(places)


def _results(peak: float) -> Pixels:
    """Return the middles of equally likely parts of the distribution of every grey level (flat, 256 rows)."""
    from scipy.special import gammaln

    counts = np.arange(math.ceil(peak + 6 * math.sqrt(peak) + 10))
    means = np.arange(256)[1:, None] * (peak / 255)
    share = np.exp(counts * np.log(means) - means - gammaln(counts + 1))
    below = np.rint(_PARTS * np.minimum(share.cumsum(axis=1), 1.0)).astype(np.int64)
    below[:, -1] = _PARTS
    levels = np.minimum(np.rint(counts * (255 / peak)), 255).astype(np.uint8)
    often = np.diff(below, axis=1, prepend=0)
    bright = np.repeat(np.broadcast_to(levels, often.shape).ravel(), often.ravel())
    return np.concatenate([np.zeros(_PARTS, np.uint8), bright])
