"""Correlations of weighted data, many resamples at a time: Pearson, Spearman, Kendall.

A weight w stands for w copies of a row, as in a bootstrap. With all weights 1 they are scipy's ``pearsonr``,
``spearmanr`` (ranks of ties averaged) and ``kendalltau`` (tau-b).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyechart.measures.statistics import divide

Floats = NDArray[np.float64]
_PAIRS = 2**18  # of rows that are compared at a time


def pearson(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return the correlation of ``x`` and ``y`` for each row of weights.

    Args:
        x: [n], or [m, n] where it differs between the rows of weights.
        y: the same.
        weights: [m, n].

    Returns:
        float64 [m], NaN where one of both does not vary.
    """
    total = weights.sum(axis=1, keepdims=True)
    dx = x - divide((weights * x).sum(axis=1, keepdims=True), total)
    dy = y - divide((weights * y).sum(axis=1, keepdims=True), total)
    squares = (weights * dx**2).sum(axis=1), (weights * dy**2).sum(axis=1)
    scale = np.sqrt(squares[0] * squares[1])
    return divide((weights * dx * dy).sum(axis=1), np.where(scale > 1e-12 * total[:, 0], scale, 0.0))


def spearman(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return Spearman's rank correlation for each row of weights, [m]; ranks are those of the resample."""
    return pearson(_ranks(x, weights), _ranks(y, weights), weights)


def _ranks(x: Floats, weights: Floats) -> Floats:
    """Return the rank of each row in each resample, ties averaged: [m, n]."""
    _, place = np.unique(x, return_inverse=True)
    of_value = np.zeros((len(weights), int(place.max()) + 1))
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    of_value[:] = np.add.reduceat(weights[:, order], starts, axis=1)
    below = of_value.cumsum(axis=1) - of_value
    middle: Floats = below + (of_value + 1) / 2
    return middle[:, place]


def _codes(x: Floats) -> NDArray[np.int32]:
    """Return the place of each value among the sorted ones, which compares as the values do."""
    return np.unique(x, return_inverse=True)[1].astype(np.int32)


class Kendall:
    """Kendall's tau-b of resampled groups of rows.

    The sums over pairs of rows are taken once for each pair of groups; a resample only weighs them.

    Args:
        x: [n].
        y: [n].
        group: [n], the group of each row, 0 ... groups - 1.
        groups: how many there are.
    """

    def __init__(self, x: Floats, y: Floats, group: NDArray[np.intp], groups: int) -> None:
        order = np.argsort(group, kind="stable")
        codes, group = (_codes(x[order]), _codes(y[order])), group[order]
        there, starts = np.unique(group, return_index=True)
        self._sums = np.zeros((3, groups, groups))
        step = max(1, _PAIRS // len(x))
        for start in range(0, len(x), step):
            part = slice(start, start + step)
            dx, dy = (np.sign(one[part, None] - one).astype(np.int8) for one in codes)
            for sums, pairs in zip(self._sums, (dx * dy, dx * dx, dy * dy), strict=True):
                of_group = np.add.reduceat(pairs, starts, axis=1, dtype=np.int64)
                np.add.at(sums, (group[part, None], there), of_group)

    def __call__(self, weights: Floats) -> Floats:
        """Return tau-b for each row of weights of the groups, [m, groups] to [m]."""
        both, one, two = (((weights @ sums) * weights).sum(axis=1) for sums in self._sums)
        return divide(both, np.sqrt(one * two))
