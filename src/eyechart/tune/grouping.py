"""The order in which images are shown so that ``contrast`` has something to compare in every batch.

An image counts for ``contrast`` if its batch holds another image of its label, and one of its content with
another label. Batches drawn at random from many contents hold few such images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eyechart.tune.lesson import Lesson

_LABELS = 4  # of a block, at most: with more, small batches would hold two contents alone
_TRIED = 200  # contents among which a second one is looked for at first


def grouped(
    lesson: Lesson, rows: NDArray[np.int64], size: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Return the same rows in another order, in which nearly every image counts for ``contrast``.

    Batches are filled with blocks: two contents, both in the same two to four labels. Each image is shown as
    often as it was drawn, and changes its place within about one round over all images alone.

    Args:
        lesson: what is trained on; its contents are known.
        rows: rows in the order that was drawn.
        size: how many rows on end are compared with each other: those of one forward pass.
        draw: source of the order.
    """
    contents = np.unique(np.asarray(lesson.contents), return_inverse=True)[1]
    stretch = max(size, len(np.unique(rows)) // size * size)
    found = []
    for start in range(0, len(rows), stretch):
        pool, parts = _Pool(rows[start : start + stretch], contents, lesson.targets, draw), []
        while pool.left.any():
            parts.append(pool.part(size))
        found += [parts[place] for place in draw.permutation(len(parts))]
    return np.concatenate(found)


def counting(lesson: Lesson, rows: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return which share of every ``size`` rows on end counts for ``contrast``, [rows / size]."""
    contents, targets, found = np.asarray(lesson.contents), lesson.targets, []
    for start in range(0, len(rows), size):
        row = rows[start : start + size]
        alike = targets[row][:, None] == targets[row]
        positive = alike & (row[:, None] != row)
        negative = ~alike & (contents[row][:, None] == contents[row])
        found.append((positive.any(1) & negative.any(1)).mean())
    return np.array(found)


class _Pool:
    """Rows that are yet to be placed, by content and label.

    Args:
        rows: the rows; one may be there several times.
        contents: number of each image's content.
        targets: number of each image's label.
        draw: source of every choice.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        contents: NDArray[np.int64],
        targets: NDArray[np.int64],
        draw: np.random.Generator,
    ) -> None:
        self._contents, self._targets, self._draw = contents, targets, draw
        self.left = np.zeros((contents.max() + 1, targets.max() + 1), np.int64)
        np.add.at(self.left, (contents[rows], targets[rows]), 1)
        self._count = self.left.sum(1)
        self._open: NDArray[np.bool_] = self._count > 0  # contents that may yet be part of a block
        self._rows: dict[tuple[int, int], list[int]] = {}
        for row in draw.permutation(rows).tolist():
            self._rows.setdefault((contents[row], targets[row]), []).append(row)

    def part(self, size: int) -> list[int]:
        """Take at most so many rows that are compared with each other."""
        found: list[int] = []
        while len(found) < size and self.left.any():
            found += self._block(size - len(found)) or self._one(found)
        return found

    def _block(self, space: int) -> list[int]:
        """Take two contents in the same labels, two to four of them; nothing if there is no space or none."""
        most = min(_LABELS, space // 2)
        most -= space - 2 * most == 2  # a rest of two could hold no block
        while most > 1 and len(usable := np.flatnonzero(self._open & (self._count > 0))):
            weights = self._count[usable]
            content = int(self._draw.choice(usable, p=weights / weights.sum()))
            few = self._draw.choice(usable, min(_TRIED, len(usable)), replace=False)
            pair = self._pair(content, few, most) or self._pair(content, usable, most)
            if pair:
                return pair
            self._open[content] = False  # nor later: what is left only becomes less
        return []

    def _pair(self, content: int, others: NDArray[np.int64], most: int) -> list[int]:
        """Take a content and one of others in at most so many labels; nothing if none shares two."""
        shared: NDArray[np.bool_] = (self.left[others] > 0) & (self.left[content] > 0)
        shared[others == content] = self.left[content] > 1
        common = np.minimum(shared.sum(1), most)
        if common.max() < 2:
            return []
        place = self._draw.choice(np.flatnonzero(common == common.max()))
        pair, labels = (content, int(others[place])), np.flatnonzero(shared[place])
        plenty = self.left[list(pair)][:, labels].sum(0) + self._draw.random(len(labels))
        if most > 2 and len(labels) == most + 1:
            most -= 1  # one label alone could not be compared later
        labels = labels[np.argsort(-plenty)[:most]]
        return [self._take(one, label) for one in pair for label in labels.tolist()]

    def _one(self, part: list[int]) -> list[int]:
        """Take a row that counts beside those of a part, or any if there is none."""
        here = np.zeros(self.left.shape, bool)
        here[self._contents[part], self._targets[part]] = True
        counts = (self.left > 0) & here.any(0) & (here.sum(1, keepdims=True) > here)
        cells = np.argwhere(counts if counts.any() else self.left > 0)
        content, label = cells[self._draw.integers(len(cells))].tolist()
        return [self._take(content, label)]

    def _take(self, content: int, label: int) -> int:
        self.left[content, label] -= 1
        self._count[content] -= 1
        return self._rows[content, label].pop()
