"""What changes when only the wording changes, and what a tuned arm gained on its own wordings alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.measures.changes import changes
from eyechart.measures.coding import Ints, code, headline
from eyechart.measures.comparison import gaps
from eyechart.measures.statistics import (
    Floats,
    bootstrap,
    cluster_interval,
    columns,
    divide,
    holm,
    paired_permutation,
    totals,
)

MEASURES = ("accuracy", "spread", "changed", "pair_changed")
KEYS = ["arm", "readout", "over"]
ALL = "all"
GAP_OF_GAPS = [
    *("arm", "base", "readout", "n", "contents", "gap", "base_gap"),
    *("difference", "low", "high", "p"),
]


def template_sensitivity(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return how far the answers depend on the template, on the images that were asked with all of them.

    - accuracy: mean over templates.
    - spread: standard deviation of accuracy over templates (with T - 1).
    - changed: share of images that are not answered alike by all templates; it grows with T.
    - pair_changed: the same for two templates, mean over all pairs; comparable between sets of any size.

    Naming no label counts as an answer of its own. ``spread`` of equal templates is not 0 but about the
    noise of a paired difference, and its interval lies too high there (benchmarks/results/coverage.md).

    Returns:
        One row per arm, readout and set of at least two templates (``over``: "all", and every kind and
        language, for example "letters, en", where only the wording differs): templates, images, contents,
        the measures with ``_low`` and ``_high`` (95 % over contents), and the templates of the lowest and the
        highest accuracy, ``lowest`` and ``highest``.
    """
    rows = []
    for (arm, readout), part in headline(answers).groupby(["arm", "readout"], sort=False):
        for over, asked in _sets(part):
            wide = _wide(asked, labels)
            if wide is None:
                continue
            predicted, right, content = wide
            found = bootstrap(_sums(predicted, right, content), _measures, seed)
            names, mean = _templates(asked), right.mean(axis=0)
            rows.append(
                dict(zip(KEYS, (arm, readout, over), strict=True))
                | {"templates": len(names), "images": len(right), "contents": len(np.unique(content))}
                | columns(MEASURES, found)
                | {"lowest": names[int(mean.argmin())], "highest": names[int(mean.argmax())]}
            )
    ends = [name + end for name in MEASURES for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*KEYS, "templates", "images", "contents", *ends, "lowest", "highest"])


def gap_of_gaps(answers: pd.DataFrame, base: str = "base", seed: int = 0) -> pd.DataFrame:
    """Return every arm's gap between train and held-out templates minus that of ``base``, on the same images.

    Above 0 the arm gained more on the wordings that it was tuned with than on others. Train wordings may be
    easier for the untuned model too, which the gap alone does not tell.

    Returns:
        One row per readout and arm with the columns of ``GAP_OF_GAPS``: difference with its 95 % interval
        over contents; p by swapping the arms in whole contents, Holm's correction over the table.

    Raises:
        EyechartError: no answers of ``base``.
    """
    if base not in set(answers["arm"]):
        raise EyechartError(f"There are no answers of the arm {base!r}.", "Examine it, or name another base.")
    found = {(arm, readout): gap for arm, readout, gap in gaps(answers)}
    rows = []
    for (arm, readout), ours in found.items():
        theirs = found.get((base, readout))
        if arm == base or theirs is None:
            continue
        both = ours.merge(theirs, on=["image_id", "content"], suffixes=("_ours", "_base"))
        gap, base_gap = (both[f"train_{who}"] - both[f"held-out_{who}"] for who in ("ours", "base"))
        change = cluster_interval(gap - base_gap, both["content"], seed)
        p = paired_permutation(gap, base_gap, both["content"], seed)
        means = (gap.mean(), base_gap.mean(), change.value, change.low, change.high)
        rows.append((arm, base, readout, len(both), both["content"].nunique(), *means, p))
    table = pd.DataFrame(rows, columns=GAP_OF_GAPS)
    return table.assign(p_holm=holm(table["p"]))


def _sets(part: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, part
    for (kind, language), asked in part.groupby(["kind", "language"], sort=False):
        yield f"{kind}, {language}", asked


def _templates(asked: pd.DataFrame) -> list[str]:
    return sorted(map(str, asked["template"].unique()))


def _wide(
    asked: pd.DataFrame, labels: Sequence[str]
) -> tuple[Ints, NDArray[np.bool_], NDArray[np.str_]] | None:
    """Return predicted and right [images, T] and content [images] of images asked with every template."""
    names = _templates(asked)
    images, at = np.unique(asked["image_id"].to_numpy(dtype=str), return_inverse=True)
    coded = code(asked, labels)
    column = np.searchsorted(names, asked["template"].to_numpy(dtype=str))
    predicted = np.full((len(images), len(names)), -1)
    predicted[at, column] = coded.predicted
    true, content = np.zeros(len(images), dtype=np.intp), np.empty(len(images), dtype=object)
    true[at], content[at] = coded.true, asked["content"].to_numpy(dtype=str)
    whole = (predicted >= 0).all(axis=1)
    if len(names) < 2 or not whole.any():
        return None
    return predicted[whole], (predicted == true[:, None])[whole], content[whole].astype(str)


def _sums(predicted: Ints, right: NDArray[np.bool_], content: NDArray[np.str_]) -> Floats:
    """Return, per content, right answers of each template, changed images, changed pairs (mean), images."""
    return totals(np.column_stack([right, changes(predicted), np.ones(len(right))]), content)


def _measures(sums: Floats) -> Floats:
    shares = divide(sums[:, :-1], sums[:, -1:])
    accuracy = shares[:, :-2]
    return np.column_stack([accuracy.mean(axis=1), accuracy.std(axis=1, ddof=1), shares[:, -2:]])
