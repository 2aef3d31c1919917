"""Intervals and tests that respect contents: images of one content are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eyechart.seeds import rng

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
CHUNK = 10_000_000  # resampled numbers held at a time, 80 MB


@dataclass(frozen=True)
class Interval:
    """A number and the ends of its interval, which are NaN where there are fewer than two contents."""

    value: float
    low: float
    high: float


def totals(values: ArrayLike, clusters: ArrayLike) -> Floats:
    """Return the sum of ``values`` in each cluster.

    Args:
        values: [n] or [n, d].
        clusters: [n], the cluster of each row, of any type that sorts.

    Returns:
        float64 [clusters] or [clusters, d], in the sorted order of the clusters.
    """
    values = np.asarray(values, dtype=np.float64)
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.zeros((len(names), *values.shape[1:]))
    np.add.at(sums, index, values)
    return sums


def bootstrap(
    sums: Floats, statistic: Statistic, seed: int, n: int = 2000, level: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Return a statistic of the sum over clusters, and its cluster bootstrap interval.

    Clusters are drawn with replacement, which comes to weighting each by a multinomial count. The interval
    is the expanded percentile interval (Hesterberg, The American Statistician 69:371, 2015): its
    percentiles are moved out by sqrt(G/(G-1)) and Student's t with G-1 degrees of freedom, since plain
    percentiles are too narrow for few clusters; for many clusters the two agree.

    Args:
        sums: [G, ...], what each cluster adds, for example its confusion counts.
        statistic: maps [m, ...] to [m] or [m, k]; NaN where it is undefined.
        seed: of the resamples.
        n: resamples.
        level: of the interval.

    Returns:
        value, low and high, each shaped like the statistic of one resample.
    """
    value = np.asarray(statistic(sums.sum(axis=0)[None]), dtype=np.float64)[0]
    groups = len(sums)
    if groups < 2:
        return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
    flat = sums.reshape(groups, -1)
    generator = rng(seed, "bootstrap")
    step = max(1, min(n, CHUNK // max(groups, flat.shape[1])))
    drawn = []
    for start in range(0, n, step):
        weights = generator.multinomial(groups, np.full(groups, 1 / groups), size=min(step, n - start))
        drawn.append(statistic((weights @ flat).reshape(-1, *sums.shape[1:])))
    return value, *ends(value, np.concatenate(drawn), groups, level)


def ends(value: Floats, samples: Floats, groups: int, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the ends of the expanded percentile interval (see :func:`bootstrap`).

    Args:
        value: the statistic of the data, [...]; where it is NaN the ends are, too.
        samples: the statistic of the resamples, [m, ...].
        groups: number of clusters, at least 2.
        level: of the interval.
    """
    tail = _expanded_tail(groups, level)
    # A resample without a single image of some class has no value there; it is left out, not counted as zero.
    defined = np.where(np.isnan(samples).all(axis=0), 0.0, samples)
    low, high = np.nanquantile(defined, [tail, 1 - tail], axis=0)
    unknown = np.isnan(value)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def count_interval(
    sums: Floats, statistic: Statistic, seed: int, n: int = 2000, level: float = 0.95
) -> Interval:
    """Return :func:`bootstrap` of a statistic that is one number."""
    value, low, high = bootstrap(sums, statistic, seed, n, level)
    return Interval(float(value), float(low), float(high))


def cluster_interval(
    values: ArrayLike, clusters: ArrayLike, seed: int, n: int = 2000, level: float = 0.95
) -> Interval:
    """Return the mean of ``values`` and its cluster bootstrap interval.

    Args:
        values: [rows], for example 0 and 1 for wrong and right.
        clusters: [rows], the content of each.
        seed: of the resamples.
        n: resamples.
        level: of the interval.
    """
    values = np.asarray(values, dtype=np.float64)
    return count_interval(
        totals(np.stack([values, np.ones_like(values)], axis=1), clusters), ratio, seed, n, level
    )


def cluster_means(
    values: ArrayLike, clusters: ArrayLike, seed: int, n: int = 2000, level: float = 0.95
) -> tuple[Floats, Floats, Floats]:
    """Return the mean of every column of ``values`` and its cluster bootstrap interval.

    Args:
        values: [rows, d]; NaN is missing and counts neither for nor against.
        clusters: [rows], the content of each.
        seed: of the resamples.
        n: resamples.
        level: of the interval.

    Returns:
        value, low and high, float64 [d] each.
    """
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    sums = totals(np.stack([np.where(known, values, 0.0), known], axis=1), clusters)
    return bootstrap(sums, lambda drawn: divide(drawn[:, 0], drawn[:, 1]), seed, n, level)


def columns(names: Sequence[str], found: tuple[Floats, Floats, Floats]) -> dict[str, float]:
    """Return values and the ends of their intervals as a table's cells: name, name_low, name_high."""
    value, low, high = found
    return {
        name + suffix: float(end[i])
        for i, name in enumerate(names)
        for suffix, end in (("", value), ("_low", low), ("_high", high))
    }


def ratio(sums: Floats) -> Floats:
    """Return the first of two sums divided by the second: [m, 2] to [m], NaN for 0/0."""
    return divide(sums[:, 0], sums[:, 1])


def divide(numerator: Floats, denominator: Floats) -> Floats:
    """Return ``numerator / denominator``, NaN where the denominator is zero."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    out: Floats = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator != 0)
    return out


def paired_permutation(a: ArrayLike, b: ArrayLike, clusters: ArrayLike, seed: int, n: int = 10_000) -> float:
    """Return the two-sided p-value of "a and b have the same mean", by swapping them in whole clusters.

    Where there are no more than ``n`` ways to swap, all of them are tried and p is exact; otherwise ``n``
    are drawn and p is (1 + as extreme) / (1 + n), which is never zero.

    Args:
        a: [rows].
        b: [rows], the same rows measured otherwise.
        clusters: [rows], the content of each.
        seed: of the swaps.
        n: swaps.
    """
    difference = totals(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), clusters)
    difference = difference[difference != 0]  # a swap there changes nothing
    groups = len(difference)
    observed = abs(difference.sum())
    close = 1e-9 * np.abs(difference).sum()  # sums in another order may differ in their last digit
    if 2**groups <= n:
        signs = 1.0 - 2.0 * ((np.arange(2**groups)[:, None] >> np.arange(groups)) & 1)
        return float(np.mean(np.abs(signs @ difference) >= observed - close))
    generator = rng(seed, "permutation")
    extreme, step = 0, max(1, CHUNK // groups)
    for start in range(0, n, step):
        signs = generator.integers(0, 2, size=(min(step, n - start), groups)) * 2.0 - 1.0
        extreme += int(np.sum(np.abs(signs @ difference) >= observed - close))
    return (1 + extreme) / (1 + n)


def holm(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted for the whole family (Holm, Scandinavian Journal of Statistics 6:65, 1979).

    Args:
        p_values: [m], in any order.

    Returns:
        float64 [m], in the same order, at most 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted


def _expanded_tail(groups: int, level: float) -> float:
    from scipy.special import ndtr, stdtrit  # scipy.stats has them too, far slower for one number

    return float(ndtr(np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, (1 - level) / 2)))
