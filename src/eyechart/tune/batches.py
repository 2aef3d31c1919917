"""Which images each step of training shows, and in which words: drawn before the first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.tune.lesson import Lesson

Balance = Literal["none", "label", "corpus and label"]


def order(
    lesson: Lesson, rows: NDArray[np.int64], count: int, balance: Balance, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Return ``count`` of the rows to train on, one after the other.

    Args:
        lesson: what is trained on.
        rows: the rows that may be shown.
        count: batches x images of a batch.
        balance: ``none`` shows every image once before any is shown again. ``label``, or ``corpus and
            label``, draws one of these first, all alike, then the next of its images: a corpus of a thousand
            images weighs as much as one of ten thousand, and a rare label as much as a frequent one.
        draw: source of the order.
    """
    if balance == "none":
        return rows[_stream(len(rows), count, draw)]
    cells = _cells(lesson, rows, balance)
    chosen = draw.integers(len(cells), size=count)
    found = np.empty(count, np.int64)
    for i, cell in enumerate(cells):
        places = np.flatnonzero(chosen == i)
        found[places] = cell[_stream(len(cell), len(places), draw)]
    return found


def _cells(lesson: Lesson, rows: NDArray[np.int64], balance: Balance) -> list[NDArray[np.int64]]:
    corpora = lesson.corpora if balance == "corpus and label" else ()
    keys: Sequence[tuple[str, int]] = [
        (corpora[row] if corpora else "", int(lesson.targets[row])) for row in rows
    ]
    return [rows[[key == wanted for key in keys]] for wanted in sorted(set(keys))]


def _stream(count: int, total: int, draw: np.random.Generator) -> NDArray[np.int64]:
    """Return ``total`` of the numbers below ``count``; every round is a fresh permutation."""
    rounds = [draw.permutation(count) for _ in range(-(-total // count))]
    return np.concatenate([np.empty(0, np.int64), *rounds])[:total]


def held_out(lesson: Lesson, share: float, draw: np.random.Generator) -> NDArray[np.bool_]:
    """Return which images are kept from training: whole contents, about this share of them, at least one.

    Raises:
        EyechartError: there is one content alone.
    """
    contents = np.array(lesson.contents or [str(i) for i in range(len(lesson.targets))])
    known = np.unique(contents)
    if len(known) == 1:
        raise EyechartError(
            "early stopping holds out contents, and there is one content alone to train on",
            "train on more contents, or without --patience",
        )
    count = min(max(1, round(share * len(known))), len(known) - 1)
    return np.isin(contents, draw.permutation(known)[:count])


def batches(count: int, size: int) -> Iterator[slice]:
    """Yield consecutive stretches of at most ``size``."""
    yield from (slice(start, start + size) for start in range(0, count, size))
