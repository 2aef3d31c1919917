"""Thresholds that split values into classes of least variance (Otsu 1979, several thresholds)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def thresholds(counts: Counts, number: int) -> Counts:
    """Return the thresholds of a histogram that make the variance within the classes least, exactly.

    By dynamic programming over the start of the last class, in number * len(counts)**2 steps. The variance
    within is least where the sum over the classes of (sum of values)**2 / (how many) is greatest.

    Args:
        counts: how often each value 0, 1, ... occurs.
        number: of thresholds, at least 1 and less than there are values.

    Returns:
        ``number`` ascending values: the highest value of each class but the last.
    """
    size = len(counts)
    how_many = np.concatenate([[0.0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(counts * np.arange(size))])
    members = (
        how_many[None, :] - how_many[:, None]
    )  # of the class that starts at the row, ends before the column
    score = (total[None, :] - total[:, None]) ** 2 / np.maximum(members, 1.0)
    score[np.tril_indices(size + 1)] = -np.inf  # a class has at least one value
    best = score[0]
    starts = []
    for _ in range(number):
        sums = best[:, None] + score
        starts.append(sums.argmax(axis=0))
        best = sums.max(axis=0)
    end = size
    found = []
    for start in reversed(starts):
        end = int(start[end])
        found.append(end - 1)
    return np.array(found[::-1], np.int64)
