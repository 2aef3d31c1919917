"""Confusion counts, and what is read off them.

A confusion array has shape [..., K, K + 1]: true label, predicted label, with answers that name no label in
the last column. Every measure maps [..., K, K + 1] to [...] or [..., K], so that the bootstrap can resample
it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.measures.coding import code, headline
from eyechart.measures.statistics import divide

UNPARSED = "unparsed"
Counts = NDArray[np.float64]


def accuracy(counts: Counts) -> Counts:
    """Return the share of right answers; one without a label is wrong."""
    return divide(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def recall(counts: Counts) -> Counts:
    """Return the share of each label's images that are named so: [..., K], NaN without images."""
    return divide(_hits(counts), counts.sum(axis=-1))


def beyond_false_alarms(counts: Counts) -> Counts:
    """Return each label's recall minus the share of all other images that are named so: [..., K].

    Above 0 only for whoever looks: naming one label more often raises both alike. NaN where either is.
    """
    images = counts.sum(axis=-1)
    alarms = counts.sum(axis=-2)[..., :-1] - _hits(counts)
    return recall(counts) - divide(alarms, images.sum(axis=-1, keepdims=True) - images)


def precision(counts: Counts) -> Counts:
    """Return the share of each label's namings that are right: [..., K], NaN where it is never named."""
    return divide(_hits(counts), counts.sum(axis=-2)[..., :-1])


def balanced_accuracy(counts: Counts) -> Counts:
    """Return the mean recall over the labels that have images."""
    return _mean_where_present(recall(counts), counts)


def macro_f1(counts: Counts) -> Counts:
    """Return the mean F1 over the labels that have images; F1 = 2 TP / (true + predicted)."""
    f1 = divide(2 * _hits(counts), counts.sum(axis=-1) + counts.sum(axis=-2)[..., :-1])
    return _mean_where_present(f1, counts)


def unparsed_share(counts: Counts) -> Counts:
    """Return the share of answers that name no label."""
    return divide(counts[..., -1].sum(axis=-1), counts.sum(axis=(-2, -1)))


def majority_share(counts: Counts) -> Counts:
    """Return the share of the most frequent true label: the accuracy of always naming it."""
    return divide(counts.sum(axis=-1).max(axis=-1), counts.sum(axis=(-2, -1)))


def confusion(answers: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return how often each true label (row) is answered with each label (column, "unparsed" last).

    Args:
        answers: rows of the answers table, usually of one arm, template and readout.
        labels: the labels, in the order of rows and columns.
    """
    counts = code(headline(answers), labels).counts().sum(axis=0).astype(np.int64)
    index = pd.Index(list(labels), name="label")
    return pd.DataFrame(counts, index=index, columns=pd.Index([*labels, UNPARSED], name="predicted"))


def predicted_histogram(answers: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return how often each label is the answer and how often it is the truth.

    Returns:
        One row per arm, template, readout and label ("unparsed" last): n predicted, share predicted, share
        true.
    """
    rows = []
    for keys, part in headline(answers).groupby(["arm", "template", "readout"], sort=False):
        table = confusion(part, labels)
        true = [*table.sum(axis=1), 0]
        for name, n, n_true in zip(table.columns, table.sum(axis=0), true, strict=True):
            rows.append((*keys, name, int(n), n / len(part), n_true / len(part)))
    return pd.DataFrame(rows, columns=["arm", "template", "readout", "predicted", "n", "share", "true_share"])


def _hits(counts: Counts) -> Counts:
    return np.diagonal(counts[..., :-1], axis1=-2, axis2=-1)


def _mean_where_present(per_label: Counts, counts: Counts) -> Counts:
    present = counts.sum(axis=-1) > 0
    return divide(np.where(present, per_label, 0.0).sum(axis=-1), present.sum(axis=-1))
