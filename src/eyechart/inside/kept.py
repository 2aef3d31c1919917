"""How much each rung keeps of what an earlier one told, with paired tests by content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from eyechart.inside.rungs import AVERAGED, CORRECTED, RENAMED, Ints, Sheet
from eyechart.measures.statistics import Floats, bootstrap, columns, divide, holm

OVERALL = "overall"
KEPT, LOST, UNSURE = "kept", "lost", "cannot tell"
ALPHA = 0.05
_NO_REFERENCE = (RENAMED, CORRECTED, *AVERAGED)  # readings with help, and means; no stage that others follow


class _Counts(NamedTuple):
    """Hits and false alarms of each label by content, [contents, 2, K], and of how many images."""

    found: Floats
    of: Floats


@dataclass(frozen=True)
class _Score:
    """One rung's score, and how each content moves it: [contents]."""

    value: float
    influence: Floats


def measure(images: Sheet, seed: int) -> pd.DataFrame:
    """Measure each rung against the best one before it, overall and for each label.

    The score of a label is its recall minus its false alarms (Youden's J): 1 is perfect, and whoever names
    it without looking has 0, however often. The overall score is the mean over the labels. A rung is ``kept``
    if its score is more than half of that of the best earlier rung, ``lost`` if it is less than half, each by
    a test; else ``cannot tell``. So a rung may lose a little, which with many images is always certain,
    without being called the place of the loss, and what counts as much follows from the images themselves.

    Where a rung has several layers, and where the best earlier one is looked for, the choice is made for each
    content on all others: the best of many measured on what it was chosen by would seem better than it is.

    Tests are t-tests over contents of score - reference / 2, its variance linearised, Holm-corrected over the
    rungs. One image of each label is counted as if it might as well have gone the other way, so that a few
    images without any error prove little.

    Returns:
        One row a scope (``overall`` or a label) and rung: scope, rung, stage (the layer that was chosen most
        often), n, contents, score, low, high, unnamed (share of images without a named label), reference,
        reference_score, kept (score / reference) with kept_low, kept_high, p, p_holm, state.
    """
    scopes = [OVERALL, *(label for i, label in enumerate(images.labels) if (images.true == i).any())]
    return pd.concat([_scope(images, scope, seed) for scope in scopes], ignore_index=True)


def _scope(images: Sheet, scope: str, seed: int) -> pd.DataFrame:
    """Measure the rungs in one scope."""
    of = _images(images)
    tallies = {
        rung: np.stack([_tally(named, images) for named in ways.values()])
        for rung, ways in images.named.items()
    }
    rows: list[dict[str, Any]] = []
    before: dict[str, Floats] = {}
    for rung, ways in images.named.items():
        if rung in AVERAGED:
            own, stage = tallies[rung].mean(0), ""
        else:
            own, stage = _best(dict(zip(ways, tallies[rung], strict=True)), of, scope, images.labels)
        row = {"scope": scope, "rung": rung, "stage": stage, "n": len(images.true), "contents": len(of)}
        row["unnamed"] = float(np.mean([(named == len(images.labels)).mean() for named in ways.values()]))
        reference = _best(before, of, scope, images.labels) if before else None
        rows.append(row | _against(_Counts(own, of), reference, scope, images.labels, seed))
        if rung not in _NO_REFERENCE:
            before |= dict(zip(ways, tallies[rung], strict=True))
    table = pd.DataFrame(rows)
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"])
    more = table["score"] > table["reference_score"].clip(lower=0) / 2
    sure = table["p_holm"] < ALPHA
    return table.assign(state=np.where(sure, np.where(more, KEPT, LOST), UNSURE))


def _against(
    own: _Counts, reference: tuple[Floats, str] | None, scope: str, labels: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Return a rung's score, what it keeps of the reference, and the p-value of "half of it"."""
    other = np.zeros_like(own.found) if reference is None else reference[0]

    def scores(sums: Floats) -> Floats:
        rates = divide(sums[:, :2], sums[:, 2:])
        mine, theirs = (_scored(rates[:, i], scope, labels) for i in (0, 1))
        return np.stack([mine, divide(mine, np.where(theirs > 0, theirs, np.nan))], axis=1)

    sums = np.stack([own.found, other, own.of, own.of], axis=1)
    result: dict[str, Any] = columns(("score", "kept"), bootstrap(sums, scores, seed))
    result |= {"low": result.pop("score_low"), "high": result.pop("score_high")}
    if reference is None:
        return result | {"reference": "", "reference_score": np.nan, "p": np.nan, "p_holm": np.nan}
    theirs = _score(_Counts(other, own.of), scope, labels)
    found = {"reference": reference[1], "reference_score": theirs.value, "p_holm": np.nan}
    return result | found | {"p": _half(_score(own, scope, labels), theirs, own.of, scope, labels)}


def _half(own: _Score, reference: _Score, of: Floats, scope: str, labels: tuple[str, ...]) -> float:
    """Return the two-sided p-value of "the score is half of the reference's"."""
    from scipy.stats import t

    contents = len(of)
    if contents < 2:
        return float("nan")
    if reference.value <= 0:  # blind: what is seen at all is more than it
        reference = _Score(0.0, np.zeros(contents))
    influence = own.influence - reference.influence / 2
    variance = contents / (contents - 1) * float((influence**2).sum())
    one = divide(np.ones(len(labels)), of.sum(0)[0])  # what one image of a label counts
    doubt = np.sqrt(np.nansum(one**2)) / len(labels) if scope == OVERALL else one[labels.index(scope)]
    error = np.sqrt(variance + float(doubt) ** 2)
    return float(2 * t.sf(abs(own.value - reference.value / 2) / error, contents - 1))


def _best(
    tallies: Mapping[str, Floats], of: Floats, scope: str, labels: tuple[str, ...]
) -> tuple[Floats, str]:
    """Return for each content the tally of the way that is best on all other contents: [contents, 2, K].

    And the way that was chosen most often.
    """
    names, stacked = list(tallies), np.stack(list(tallies.values()), axis=1)
    others = stacked.sum(0) - stacked  # [contents, ways, 2, K]
    rates = divide(others, (of.sum(0) - of)[:, None])
    chosen = np.nan_to_num(_scored(rates, scope, labels), nan=-np.inf).argmax(1)
    most = int(np.bincount(chosen).argmax())
    return stacked[np.arange(len(of)), chosen], names[most]


def _score(counts: _Counts, scope: str, labels: tuple[str, ...]) -> _Score:
    """Return a score and each content's influence on it (the linearised ratio)."""
    images = counts.of.sum(0)
    rates = divide(counts.found.sum(0), images)
    moved = divide(counts.found - rates * counts.of, images)
    return _Score(float(_scored(rates, scope, labels)), _scored(moved, scope, labels))


def _scored(rates: Floats, scope: str, labels: tuple[str, ...]) -> Floats:
    """Return hit rates minus false alarm rates, of a label or in the mean: [..., 2, K] to [...]."""
    each = rates[..., 0, :] - rates[..., 1, :]
    if scope != OVERALL:
        return each[..., labels.index(scope)]
    known = ~np.isnan(each)
    mean: Floats = divide(np.where(known, each, 0.0).sum(-1), known.sum(-1))
    return mean


def _tally(named: Ints, images: Sheet) -> Floats:
    """Return hits and false alarms by content and label: [contents, 2, K]."""
    k = len(images.labels)
    found = np.zeros((int(images.content.max()) + 1, 2, k + 1))
    np.add.at(found, (images.content, (named != images.true).astype(int), named), 1.0)
    return found[..., :k]


def _images(images: Sheet) -> Floats:
    """Return by content how many images have each label, and how many have another: [contents, 2, K]."""
    k = len(images.labels)
    own = np.zeros((int(images.content.max()) + 1, k))
    np.add.at(own, (images.content, images.true), 1.0)
    return np.stack([own, own.sum(1, keepdims=True) - own], axis=1)
