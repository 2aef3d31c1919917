"""Accuracy and its company, per arm, template and readout, with intervals over contents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from eyechart.measures import confusion as matrix
from eyechart.measures.coding import code, headline
from eyechart.measures.statistics import Statistic, bootstrap, cluster_interval

GROUP = ["arm", "template", "template_split", "readout"]


def exam_table(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return one row per arm, template and readout.

    Args:
        answers: the answers table; an answer without a label counts as wrong. Samples and permuted options
            are left out (see :func:`eyechart.measures.coding.headline`), here and in all that follows.
        labels: the labels of the exam.
        seed: of the bootstrap.

    Returns:
        The columns arm, template, template_split, readout; n (answers), contents; accuracy, low, high;
        balanced_accuracy, balanced_low, balanced_high; macro_f1, macro_f1_low, macro_f1_high; unparsed_share;
        chance (1/K); majority (always naming the most frequent true label). Intervals are at 95 %.
    """
    rows = []
    for keys, part in headline(answers).groupby(GROUP, sort=False):
        coded = code(part, labels)
        value, low, high = bootstrap(coded.counts(), _headline, seed)
        (acc, balanced, f1, unparsed, majority) = value
        rows.append(
            dict(zip(GROUP, keys, strict=True))
            | {"n": len(part), "contents": coded.contents}
            | {"accuracy": acc, "low": low[0], "high": high[0]}
            | {"balanced_accuracy": balanced, "balanced_low": low[1], "balanced_high": high[1]}
            | {"macro_f1": f1, "macro_f1_low": low[2], "macro_f1_high": high[2]}
            | {"unparsed_share": unparsed, "chance": 1 / len(labels), "majority": majority}
        )
    return pd.DataFrame(rows)


def by_level(answers: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return accuracy per arm, template, readout and level (0 is clean), see :func:`accuracy_by`."""
    return accuracy_by(answers, "level", seed)


def by_distortion(answers: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return accuracy per arm, template, readout and fine distortion type, see :func:`accuracy_by`."""
    return accuracy_by(answers, "distortion", seed)


def accuracy_by(answers: pd.DataFrame, column: str, seed: int = 0) -> pd.DataFrame:
    """Return accuracy per arm, template, readout and value of ``column``.

    Returns:
        The columns of the group, ``column``, n, contents, accuracy, low, high (95 % over contents).
    """
    keys = [*GROUP, column]
    rows = []
    for values, part in headline(answers).groupby(keys, sort=False):
        right = (part["predicted"] == part["label"]).fillna(False).to_numpy(dtype=bool)
        found = cluster_interval(right, part["content"].astype(str), seed)
        rows.append(
            dict(zip(keys, values, strict=True))
            | {"n": len(part), "contents": part["content"].nunique()}
            | {"accuracy": found.value, "low": found.low, "high": found.high}
        )
    table = pd.DataFrame(rows, columns=[*keys, "n", "contents", "accuracy", "low", "high"])
    return table.sort_values(column, kind="stable", ignore_index=True)


def by_label(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return recall, precision and recall minus false alarms of every label, per arm, template and readout.

    Returns:
        The columns of the group, label, n (images that have it), n_predicted (answers that name it), recall,
        recall_low, recall_high, precision, precision_low, precision_high, beyond, beyond_low, beyond_high
        (see :func:`eyechart.measures.confusion.beyond_false_alarms`). Recall is NaN for a label without
        images, precision for one that is never named.
    """
    rows = []
    for keys, part in headline(answers).groupby(GROUP, sort=False):
        coded = code(part, labels)
        counts = coded.counts()
        ends = {
            name: bootstrap(counts, statistic, seed)
            for name, statistic in (
                ("recall", matrix.recall),
                ("precision", matrix.precision),
                ("beyond", matrix.beyond_false_alarms),
            )
        }
        for i, label in enumerate(labels):
            rows.append(
                dict(zip(GROUP, keys, strict=True))
                | {"label": label, "n": _count(coded.true, i), "n_predicted": _count(coded.predicted, i)}
                | {
                    name + suffix: end[i]
                    for name, found in ends.items()
                    for suffix, end in zip(("", "_low", "_high"), found, strict=True)
                }
            )
    return pd.DataFrame(rows)


def _headline(counts: matrix.Counts) -> matrix.Counts:
    measures: tuple[Statistic, ...] = (
        matrix.accuracy,
        matrix.balanced_accuracy,
        matrix.macro_f1,
        matrix.unparsed_share,
        matrix.majority_share,
    )
    return np.stack([measure(counts) for measure in measures], axis=-1)


def _count(classes: np.ndarray[tuple[int], np.dtype[np.intp]], i: int) -> int:
    return int((classes == i).sum())
