"""How much each rung keeps of what an earlier one told, with paired tests by content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from eyechart.inside.rungs import AVERAGED, CORRECTED, RENAMED, Ints, Sheet
from eyechart.measures.statistics import Floats, bootstrap, columns, divide, holm
from eyechart.seeds import rng

OVERALL = "overall"
KEPT, LOST, UNSURE = "kept", "lost", "cannot tell"
ALPHA = 0.05
_NO_REFERENCE = (RENAMED, CORRECTED, *AVERAGED)  # readings with help, and means; no stage that others follow


class _Found(NamedTuple):
    """What counts of some rung: [contents, labels, 4] hits, of images, false alarms, of images; and its way.

    The false alarms of a label are those among the images of the one label that is most often taken for it.
    """

    counts: Floats
    way: str


def measure(images: Sheet, seed: int) -> pd.DataFrame:
    """Measure each rung against the best one before it, overall and for each label.

    The score of a label is its recall minus its false alarms among the images of that other label which is
    most often taken for it: 1 where it is told from every other one, 0 for whoever names it without looking,
    however often, and 0 where it cannot be told from a single other one. The overall score is the mean of
    the labels' scores, of which none counts as less than 0.

    A rung is ``kept`` if its score is more than half of that of the best earlier rung, ``lost`` if it is less
    than half, each by a test; else ``cannot tell``. So a rung may lose a little, which with many images is
    always certain, without being called the place of the loss; and how much is much follows from the images.

    What is chosen because it is the largest (a layer, the best earlier rung, the worst mistake) is chosen on
    one half of the contents and measured on the other, and the other way round: measured on what it was
    chosen by, it would seem larger than it is. (Choosing for each content on all others is unbiased too, but
    the contents are then not independent: of tests at 5 %, 8 to 9 in 100 reject in simulation.)

    Tests are t-tests over contents of score - reference / 2, its variance linearised, Holm-corrected over the
    rungs. One image of each label is counted as if it might as well have gone the other way, so that a few
    images without any error prove little.

    Returns:
        One row a scope (``overall`` or a label) and rung: scope, rung, stage (the layer that was chosen most
        often), n and contents (those of the labels that it is about), score, unnamed (share of images without
        a named label), reference (empty for the first), reference_score and kept (score / reference), each
        with _low and _high, p, p_holm, state.
    """
    halves = rng(seed, "halves of the verdict").permutation(int(images.content.max()) + 1) % 2
    present = [label for i, label in enumerate(images.labels) if (images.true == i).any()]
    tables = {rung: _confusions(ways, images) for rung, ways in images.named.items()}
    scopes = {OVERALL: present} | {label: [label] for label in present}
    return pd.concat(
        [_scope(images, tables, scope, own, halves, seed) for scope, own in scopes.items()],
        ignore_index=True,
    )


def _scope(
    images: Sheet,
    tables: Mapping[str, dict[str, Floats]],
    scope: str,
    labels: list[str],
    halves: Ints,
    seed: int,
) -> pd.DataFrame:
    """Measure the rungs in one scope, which is about some labels."""
    about = [images.labels.index(label) for label in labels]
    mine = np.isin(images.true, about)
    rows: list[dict[str, Any]] = []
    pairs: list[Floats] = []
    before: dict[str, Floats] = {}
    for rung, ways in tables.items():
        mean = rung in AVERAGED
        own = _best({"": np.mean(list(ways.values()), axis=0)} if mean else ways, about, halves)
        other = _best(before, about, halves) if before else _Found(np.zeros_like(own.counts), "")
        unnamed = np.mean([named == len(images.labels) for named in images.named[rung].values()])
        rows.append(
            {"scope": scope, "rung": rung, "stage": own.way, "n": int(mine.sum())}
            | {
                "contents": len(np.unique(images.content[mine])),
                "unnamed": float(unnamed),
                "reference": other.way,
            }
            | {"p": _half(own.counts, other.counts) if before else np.nan, "p_holm": np.nan}
        )
        pairs.append(np.stack([own.counts, other.counts], axis=1))
        if rung not in _NO_REFERENCE:
            before |= ways
    table = pd.DataFrame(rows).join(_intervals(np.stack(pairs, axis=1), seed))
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"])
    more = table["score"] > table["reference_score"].clip(lower=0).fillna(0) / 2
    return table.assign(state=np.where(table["p_holm"] < ALPHA, np.where(more, KEPT, LOST), UNSURE))


def _intervals(counts: Floats, seed: int) -> pd.DataFrame:
    """Return score, reference_score and kept (their ratio) of each rung, with intervals by content.

    Args:
        counts: of each content, each rung and its reference: [contents, rungs, 2, labels, 4].
        seed: of the bootstrap.
    """

    def scores(sums: Floats) -> Floats:
        both = _mean(_scores(sums))  # [m, rungs, 2]
        kept = divide(both[..., 0], np.where(both[..., 1] > 0, both[..., 1], np.nan))
        return np.concatenate([both, kept[..., None]], axis=-1).reshape(len(sums), -1)

    value, low, high = (end.reshape(-1, 3) for end in bootstrap(counts, scores, seed))
    names = ("score", "reference_score", "kept")
    return pd.DataFrame([columns(names, ends) for ends in zip(value, low, high, strict=True)])


def _half(own: Floats, reference: Floats) -> float:
    """Return the two-sided p-value of "the score is half of the reference's"."""
    from scipy.stats import t

    contents = len(own)
    if contents < 2:
        return float("nan")
    theirs, moved = float(_mean(_scores(reference.sum(0)))), _influence(reference)
    if theirs <= 0:  # blind: what is seen at all is more than it
        theirs, moved = 0.0, np.zeros(contents)
    difference = float(_mean(_scores(own.sum(0)))) - theirs / 2
    influence = _influence(own) - moved / 2
    one = 1 / own.sum(0)[:, 1]  # what one image of a label counts
    variance = contents / (contents - 1) * float((influence**2).sum()) + float((one**2).mean()) / len(one)
    return float(2 * t.sf(abs(difference) / np.sqrt(variance), contents - 1))


def _best(tables: Mapping[str, Floats], about: list[int], halves: Ints) -> _Found:
    """Return what counts, for each content, of the way that is best on the half of the others.

    Args:
        tables: of each way the images by content, true and named label, [contents, K, K + 1].
        about: the labels that are asked about.
        halves: 0 or 1 for each content.
    """
    names, stacked = list(tables), np.stack(list(tables.values()), axis=1)
    others = np.stack([stacked[halves != half].sum(0) for half in (0, 1)])  # [halves, ways, K, K + 1]
    alarms = np.nan_to_num(divide(others, others.sum(-1, keepdims=True)), nan=-1.0)
    alarms[..., range(alarms.shape[-2]), range(alarms.shape[-2])] = -1.0  # a hit is no false alarm
    worst = alarms.argmax(-2)  # [halves, ways, K + 1]: the label that is most often taken for each
    known = np.stack([_counted(others, worst, label) for label in about], axis=2)
    counts = np.stack([_counted(stacked, worst[halves], label) for label in about], axis=2)
    chosen = np.nan_to_num(_mean(_scores(known)), nan=-np.inf).argmax(1)[halves]
    return _Found(counts[np.arange(len(halves)), chosen], names[int(np.bincount(chosen).argmax())])


def _counted(tables: Floats, worst: Ints, label: int) -> Floats:
    """Return hits, images, false alarms and images of one label: [..., ways, 4]."""
    rows, ways = np.indices(worst.shape[:2])
    other = tables[rows, ways, worst[..., label]]  # [..., ways, K + 1]
    own = tables[..., label, :]
    return np.stack([own[..., label], own.sum(-1), other[..., label], other.sum(-1)], axis=-1)


def _scores(counts: Floats) -> Floats:
    """Return each label's hit rate minus its false alarm rate: [..., labels, 4] to [..., labels]."""
    return divide(counts[..., 0], counts[..., 1]) - divide(counts[..., 2], counts[..., 3])


def _mean(scores: Floats) -> Floats:
    """Return the mean over labels, none of which counts as less than 0 but where there is one alone."""
    if scores.shape[-1] == 1:
        return scores[..., 0]
    known = ~np.isnan(scores)
    mean: Floats = divide(np.where(known, scores, 0.0).clip(min=0).sum(-1), known.sum(-1))
    return mean


def _influence(counts: Floats) -> Floats:
    """Return how each content moves the mean score (linearised ratios): [contents]."""
    sums = counts.sum(0)
    hits, alarms = (divide(sums[:, i], sums[:, i + 1]) for i in (0, 2))
    moved = divide(counts[..., 0] - hits * counts[..., 1], sums[:, 1])
    moved = moved - divide(counts[..., 2] - alarms * counts[..., 3], sums[:, 3])
    if counts.shape[1] > 1:
        moved = np.where(hits - alarms > 0, moved, 0.0)
    influence: Floats = np.nanmean(moved, axis=1)
    return influence


def _confusions(ways: Mapping[str, Ints], images: Sheet) -> dict[str, Floats]:
    """Return, of each way, the number of images by content, true and named label."""
    k, contents = len(images.labels), int(images.content.max()) + 1
    found = {way: np.zeros((contents, k, k + 1)) for way in ways}
    for way, named in ways.items():
        np.add.at(found[way], (images.content, images.true, named), 1.0)
    return found
