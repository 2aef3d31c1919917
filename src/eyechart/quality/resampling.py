"""Resamples of whole contents as weights, so that any statistic can be taken of the same resamples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.measures.statistics import ends
from eyechart.seeds import rng

Floats = NDArray[np.float64]
RESAMPLES = 1000
_CHUNK = 2**17  # weights that are held at a time: few enough for a processor's cache
_GROUPS = 400  # more contents than that are pooled by lot, which leaves the variance what it is


@dataclass(frozen=True)
class Resamples:
    """How often each group of contents is drawn; a group is one content unless there are very many.

    Attributes:
        contents: their names, sorted.
        group: of each content.
        weights: [1 + resamples, groups]; the first row is the data themselves, ones.
    """

    contents: pd.Index[str]
    group: NDArray[np.intp]
    weights: Floats

    @classmethod
    def of(cls, contents: Iterable[str], seed: int, n: int = RESAMPLES) -> Resamples:
        """Draw ``n`` resamples of contents with replacement."""
        names = pd.Index(sorted(set(contents)))
        count = min(len(names), _GROUPS)
        draw = rng(seed, "score bootstrap")
        group = np.arange(count) if count == len(names) else draw.permutation(len(names)) % count
        drawn = draw.multinomial(count, np.full(count, 1 / count), size=n)
        return cls(names, group, np.concatenate([np.ones((1, count)), drawn]))

    def groups_of(self, contents: Iterable[str]) -> NDArray[np.intp]:
        """Return the group of each row, by its content."""
        return self.group[self.contents.get_indexer(pd.Index(contents))]

    def each(self, contents: Iterable[str], statistic: Callable[[Floats], Floats]) -> Floats:
        """Return a statistic of every resample, [1 + resamples, ...].

        Args:
            contents: of each row of the data, [rows].
            statistic: maps the rows' weights [m, rows] to [m, ...]; NaN where it is undefined.
        """
        rows = self.groups_of(contents)
        step = max(1, _CHUNK // max(1, len(rows)))
        parts = [
            statistic(self.weights[start : start + step][:, rows])
            for start in range(0, len(self.weights), step)
        ]
        return np.concatenate(parts)

    def interval(self, found: Floats) -> tuple[Floats, Floats, Floats]:
        """Return value, low and high (95 %) of what :meth:`each` returned.

        The ends are NaN for one content, and where no resample has a value.
        """
        value, groups = found[0], self.weights.shape[1]
        if groups < 2:
            return value, np.full_like(value, np.nan), np.full_like(value, np.nan)
        low, high = ends(value, found[1:], groups)
        unknown = np.isnan(found[1:]).all(axis=0)
        return value, np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
