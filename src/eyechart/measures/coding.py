"""The answers table as numbers: true and predicted classes, and counts per content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError

Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Coded:
    """Answers as class numbers.

    Attributes:
        true: [n], position of the true label among ``labels``.
        predicted: [n], position of the predicted label; ``len(labels)`` where the answer names no label.
        content: [n], number of the content in sorted order.
        labels: the labels.
    """

    true: Ints
    predicted: Ints
    content: Ints
    labels: tuple[str, ...]

    @property
    def contents(self) -> int:
        """Number of contents."""
        return int(self.content.max()) + 1 if len(self.content) else 0

    @property
    def right(self) -> NDArray[np.float64]:
        """1 where the answer is right, else 0: float64 [n]."""
        return np.equal(self.true, self.predicted).astype(np.float64)

    def counts(self) -> NDArray[np.float64]:
        """Return how often each content has each (true, predicted) pair: float64 [contents, K, K + 1]."""
        k = len(self.labels)
        found = np.zeros((self.contents, k, k + 1))
        np.add.at(found, (self.content, self.true, self.predicted), 1.0)
        return found


def code(answers: pd.DataFrame, labels: Sequence[str]) -> Coded:
    """Return the columns ``label``, ``predicted`` and ``content`` of an answers table as class numbers.

    Raises:
        EyechartError: a true or predicted label that is not among ``labels``, or a missing true label.
    """
    labels = tuple(labels)
    true = _positions(answers["label"], labels)
    if (true == len(labels)).any():
        raise EyechartError("An answer has no true label.", "Give every row of the answers table its label.")
    content = np.unique(answers["content"].to_numpy(dtype=object).astype(str), return_inverse=True)[1]
    return Coded(true, _positions(answers["predicted"], labels), content, labels)


def headline(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the answers that the headline numbers are of: options in the labels' own order, no samples.

    A table without the columns ``order`` and ``repeat`` holds nothing else.
    """
    for column in ("order", "repeat"):
        if column in answers:
            answers = answers[answers[column] == 0]
    return answers


def scores(answers: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Return a column of lists, one number a label, as float64 [rows, K]; see :func:`has_scores`."""
    return np.array(answers[column].tolist(), dtype=np.float64)


def choices(answers: pd.DataFrame, labels: Sequence[str]) -> tuple[Coded, NDArray[np.float64]]:
    """Return answers by likelihood as class numbers, with their column ``logp``: [rows, K].

    Raises:
        EyechartError: some answer is not the likeliest label, so that ``labels`` are not in the exam's order.
    """
    coded, logp = code(answers, labels), scores(answers, "logp")
    if logp.shape[1] != len(labels) or (logp.argmax(axis=1) != coded.predicted).any():
        raise EyechartError(
            f"The likelihoods are not those of {', '.join(labels)}.",
            "Give the labels in the order in which the exam's dataset has them.",
        )
    return coded, logp


def has_scores(answers: pd.DataFrame, column: str) -> bool:
    """Say whether every answer has a list of numbers in a column; endpoints, for one, tell no priors."""
    return column in answers and not answers.empty and bool(answers[column].notna().all())


def _positions(column: pd.Series[str], labels: tuple[str, ...]) -> Ints:
    """Return the position of each value among ``labels``, ``len(labels)`` for a missing one."""
    found = pd.Index(labels, dtype=object).get_indexer(pd.Index(column, dtype=object))
    missing = column.isna().to_numpy(dtype=bool)
    strange = (found < 0) & ~missing
    if strange.any():
        raise EyechartError(
            f"Column {column.name} holds {column[strange].iloc[0]!r}.",
            f"The labels are: {', '.join(labels)}.",
        )
    return np.where(missing, len(labels), found)
