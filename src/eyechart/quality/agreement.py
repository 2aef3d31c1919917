"""How well scores agree with opinion scores, or with a stand-in where there are none.

SRCC: Spearman's rank correlation. KRCC: Kendall's tau-b. PLCC: Pearson's correlation after the logistic
mapping (:mod:`eyechart.quality.mapping`), negative where the fitted curve falls, so that scores that run
against opinion are not flattered. RMSE: after the mapping, on the scale of 0 to 1.

Intervals are by bootstrap over contents. The curve is fitted once: where scores follow opinion, PLCC is at
its maximum over the curve's parameters, so that fitting it anew in each resample changes the interval in
second order only. Where they may know nothing of it (the interval of SRCC holds 0), the direction and shape
of the curve are themselves chance, and resamples that keep them exclude 0 too often: PLCC has no interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.measures.statistics import divide
from eyechart.quality.correlation import Kendall, pearson, spearman
from eyechart.quality.mapping import Mapping, fit
from eyechart.quality.resampling import Resamples

Floats = NDArray[np.float64]
WAY = ["template", "template_split", "kind", "readout"]  # one way to a score
MEASURES = ("srcc", "plcc", "krcc", "rmse")
ALL = "all corpora"
_FEWEST = 3  # images of which a correlation is taken


@dataclass(frozen=True)
class Agreement:
    """How the scores of one way on one corpus agree with its targets.

    Attributes:
        facts: corpus, target_kind, n, contents, unscored, mapping (its kind), b1 to b4.
        samples: srcc, plcc, krcc, rmse of the data and of every resample, [1 + resamples, 4].
        mapping: from scores to targets.
        contents: of the images.
    """

    facts: dict[str, Any]
    samples: Floats
    mapping: Mapping
    contents: frozenset[str]


def headline(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores that are no repeats, with those that are missing (NaN)."""
    return scores[scores["repeat"] == 0]


def ways(scores: pd.DataFrame) -> Iterator[tuple[tuple[str, dict[str, str]], pd.DataFrame]]:
    """Yield (arm, way) with the scores of each, in the order in which they were asked."""
    for keys, part in headline(scores).groupby(["arm", *WAY], sort=False):
        arm, *way = (str(key) for key in keys)
        yield (arm, dict(zip(WAY, way, strict=True))), part


def agree(part: pd.DataFrame, drawn: Resamples) -> list[Agreement]:
    """Return how the scores of one way agree with the targets, corpus by corpus.

    Args:
        part: the scores of one way, with the columns ``score``, ``target``, ``target_kind``, ``corpus`` and
            ``content``.
        drawn: resamples of the contents.
    """
    found = []
    for corpus, rows in part[part["target"].notna()].groupby("corpus", sort=False):
        known = rows[rows["score"].notna()]
        told = {"corpus": str(corpus), "target_kind": rows["target_kind"].iloc[0], "n": len(known)}
        contents = frozenset(known["content"])
        told |= {"contents": len(contents), "unscored": len(rows) - len(known)}
        if len(known) < _FEWEST:
            nothing = np.full((len(drawn.weights), len(MEASURES)), np.nan)
            none = Mapping("none", (np.nan,), True)
            found.append(Agreement(told | {"mapping": "none"}, nothing, none, contents))
            continue
        x, y = known["score"].to_numpy(np.float64), known["target"].to_numpy(np.float64)
        mapping = fit(x, y)
        parameters = {f"b{i}": value for i, value in enumerate(mapping.parameters, 1)}
        samples = _samples(x, y, mapping, known["content"], drawn)
        found.append(Agreement(told | {"mapping": mapping.kind} | parameters, samples, mapping, contents))
    return found


def _samples(x: Floats, y: Floats, mapping: Mapping, content: pd.Series[str], drawn: Resamples) -> Floats:
    mapped = mapping(x)
    sign = 1.0 if mapping.rises else -1.0

    def moments(weights: Floats) -> Floats:
        square = divide((weights * (mapped - y) ** 2).sum(axis=1), weights.sum(axis=1))
        return np.stack(
            [spearman(x, y, weights), sign * pearson(mapped, y, weights), np.sqrt(square)], axis=1
        )

    srcc, plcc, rmse = drawn.each(content, moments).T
    _, low, high = drawn.interval(srcc)
    if low <= 0 <= high:
        plcc[1:] = np.nan  # see the module's docstring
    tau = Kendall(x, y, drawn.groups_of(content), drawn.weights.shape[1])(drawn.weights)
    return np.stack([srcc, plcc, tau, rmse], axis=1)


def agreement(scores: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the agreement of every arm and way, and its change against ``base``.

    Where there are several corpora with one kind of target, a row "all corpora" has the mean over corpora:
    scales of different corpora are not to be pooled.

    Args:
        scores: rows of the table of scores with the columns of the targets.
        seed: of the resamples.

    Returns:
        agreement: arm, template, template_split, kind, readout, corpus, target_kind, n, contents, unscored,
        mapping, b1 to b4, and srcc, plcc, krcc, rmse, each with _low and _high (95 %). changes: the same
        keys, n, contents, and the differences of the four from ``base`` on the same images.
    """
    drawn = Resamples.of(scores["content"], seed)
    table, changes = [], []
    base: dict[tuple[str, ...], tuple[pd.DataFrame, list[Agreement]]] = {}
    for (arm, way), part in ways(scores):
        keys, found = tuple(way.values()), agree(part, drawn)
        table += [{"arm": arm} | way | row for row in _rows(found, drawn)]
        if arm == "base":
            base[keys] = part, found
        elif keys in base:
            changes += [{"arm": arm} | way | row for row in _changes((part, found), base[keys], drawn)]
    return pd.DataFrame(table), pd.DataFrame(changes)


def _rows(found: list[Agreement], drawn: Resamples) -> Iterator[dict[str, Any]]:
    for one in [*found, *_together(found)]:
        yield one.facts | _cells(one.samples, drawn)


def _together(found: list[Agreement]) -> Iterator[Agreement]:
    """Yield the mean over the corpora of one kind of target, where there are several."""
    for kind in dict.fromkeys(one.facts["target_kind"] for one in found):
        mine = [one for one in found if one.facts["target_kind"] == kind]
        if len(mine) > 1:
            told: dict[str, Any] = {"corpus": ALL, "target_kind": kind, "mapping": "of each corpus"}
            told |= {name: sum(one.facts[name] for one in mine) for name in ("n", "unscored")}
            contents = frozenset[str]().union(*(one.contents for one in mine))
            samples = np.mean([one.samples for one in mine], axis=0)
            yield Agreement(told | {"contents": len(contents)}, samples, mine[0].mapping, contents)


def _changes(
    after: tuple[pd.DataFrame, list[Agreement]],
    before: tuple[pd.DataFrame, list[Agreement]],
    drawn: Resamples,
) -> Iterator[dict[str, Any]]:
    """Yield the differences from ``base`` on the images that both have scored."""
    known = [set(part["image_id"][part["score"].notna()]) for part, _ in (after, before)]
    both = known[0] & known[1]
    ours, theirs = (
        found if both == own else agree(part[part["image_id"].isin(both)], drawn)
        for (part, found), own in zip((after, before), known, strict=True)
    )
    pairs = zip([*ours, *_together(ours)], [*theirs, *_together(theirs)], strict=True)
    for one, two in pairs:
        told = {name: one.facts[name] for name in ("corpus", "target_kind", "n", "contents")}
        yield told | _cells(one.samples - two.samples, drawn)


def _cells(samples: Floats, drawn: Resamples) -> dict[str, float]:
    value, low, high = drawn.interval(samples)
    return {
        name + end: float(numbers[i])
        for i, name in enumerate(MEASURES)
        for end, numbers in (("", value), ("_low", low), ("_high", high))
    }
