"""Random values from tables: 16 random bits choose an entry. Fast, and the same on every processor."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Reals

ENTRIES = 65_536


def words(draw: np.random.Generator, *shape: int) -> NDArray[np.uint16]:
    """Return uniform 16-bit words: indices into a table of ``ENTRIES``."""
    count = math.prod(shape)
    raw = draw.bit_generator.random_raw(-(-count // 4))
    return raw.view(np.uint16)[:count].reshape(shape)


@functools.cache
def normal_table() -> Reals:
    """Return equally likely values of a standard normal in ascending order (float64, ``ENTRIES``).

    They are the medians of equal parts of the distribution, scaled to variance 1; none is beyond 4.4.
    """
    from scipy.special import ndtri

    table: Reals = ndtri((np.arange(ENTRIES) + 0.5) / ENTRIES)
    table /= math.sqrt(np.mean(table**2))
    return table


def uniform_table() -> Reals:
    """Return equally likely values, uniform with mean 0 and variance 1 (float64, ``ENTRIES``)."""
    return math.sqrt(3) * ((2 * np.arange(ENTRIES) + 1) / ENTRIES - 1)
