"""How much a mean has changed, as it is and as a share of what it was, on the same images."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from eyechart.measures.statistics import Floats, Interval, cluster_interval, count_interval, divide, totals


def change(before: ArrayLike, after: ArrayLike, clusters: ArrayLike, seed: int) -> Interval:
    """Return mean(after) - mean(before) with its cluster bootstrap interval.

    Args:
        before: [rows].
        after: [rows], of the same images.
        clusters: [rows], the content of each.
        seed: of the resamples.
    """
    return cluster_interval(np.asarray(after, float) - np.asarray(before, float), clusters, seed)


def relative_change(before: ArrayLike, after: ArrayLike, clusters: ArrayLike, seed: int) -> Interval:
    """Return ``(mean(after) - mean(before)) / |mean(before)|`` with its cluster bootstrap interval.

    It is a ratio of means, resampled together: both change with the contents that are drawn. Where the mean
    before cannot be told from zero, a share of it means nothing, and all three numbers are NaN.

    Args:
        before: [rows].
        after: [rows], of the same images.
        clusters: [rows], the content of each.
        seed: of the resamples.
    """
    known = cluster_interval(before, clusters, seed)
    if not (known.low > 0 or known.high < 0):
        return Interval(np.nan, np.nan, np.nan)
    values = np.stack([np.asarray(before, float), np.asarray(after, float)], axis=1)
    return count_interval(totals(values, clusters), _share, seed)


def _share(sums: Floats) -> Floats:
    return divide(sums[:, 1] - sums[:, 0], np.abs(sums[:, 0]))
