"""Whether the answers to one image differ between several ways to ask."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from eyechart.measures.coding import Ints
from eyechart.measures.statistics import Floats


def changes(predicted: Ints) -> Floats:
    """Return whether an image's answers differ at all, and in which share of its pairs.

    Args:
        predicted: [images, ways], at least two ways.

    Returns:
        float64 [images, 2].
    """
    pairs = list(combinations(range(predicted.shape[1]), 2))
    differing = np.mean([predicted[:, i] != predicted[:, j] for i, j in pairs], axis=0)
    return np.stack([(predicted != predicted[:, :1]).any(axis=1), differing], axis=1)
