"""A palette of least variance (Wu 1991, Efficient Statistical Computations for Optimal Color Quantization).

MATLAB's ``rgb2ind`` makes palettes of this kind: the box of colours with the greatest sum of squared
deviations is cut in two where that lowers it most, over and over. Pillow's palettes are of other kinds.
"""

from __future__ import annotations

import heapq
from itertools import count

import numpy as np

from eyechart.distort.registry import Pixels, Reals

_BITS = 5  # of a channel that place a colour in the grid; the sums are those of all 8 bits
_SIDE = 1 << _BITS
_Box = tuple[slice, ...]


def palette(image: Pixels, number: int) -> Pixels:
    """Return at most ``number`` colours (uint8, n x 3) for an image (uint8 HWC RGB).

    There are fewer where the image has fewer that a grid of 32 x 32 x 32 tells apart.
    """
    grid, order = _grid(image), count()
    whole: _Box = (slice(0, _SIDE),) * 3
    open_boxes = [(0.0, next(order), whole)]
    single: list[_Box] = []
    while open_boxes and len(open_boxes) + len(single) < number:
        *_, box = heapq.heappop(open_boxes)
        halves = _halves(grid, box)
        for half in halves:
            heapq.heappush(open_boxes, (-_deviation(grid[half]), next(order), half))
        if not halves:
            single.append(box)
    sums = np.array([grid[box].sum(axis=(0, 1, 2)) for box in [*single, *(box for *_, box in open_boxes)]])
    means: Reals = sums[:, 1:4] / sums[:, :1]
    return np.rint(means).astype(np.uint8)


def _grid(image: Pixels) -> Reals:
    """Return of each cell how many pixels it has, their sums of R, G and B, and their sum of squares."""
    cells = (image >> (8 - _BITS)).astype(np.intp) @ np.array([_SIDE * _SIDE, _SIDE, 1])
    values = image.reshape(-1, 3).astype(np.float64)
    parts = [None, *values.T, (values**2).sum(axis=1)]
    sums = [np.bincount(cells.ravel(), part, _SIDE**3) for part in parts]
    return np.stack(sums, axis=-1).astype(np.float64).reshape(_SIDE, _SIDE, _SIDE, 5)


def _deviation(cells: Reals) -> float:
    """Return the sum of squared deviations from the mean colour."""
    sums = cells.sum(axis=(0, 1, 2))
    return float(sums[4] - (sums[1:4] ** 2).sum() / sums[0])


def _halves(grid: Reals, box: _Box) -> list[_Box]:
    """Return the two parts of a box that deviate least together; none if it has a single full cell."""
    best, halves = -1.0, []
    for axis in range(3):
        along = grid[box].sum(axis=tuple({0, 1, 2} - {axis}))
        first = np.cumsum(along, axis=0)
        second = first[-1] - first
        explained = _explained(first) + _explained(second)
        explained[(first[:, 0] == 0) | (second[:, 0] == 0)] = -1.0
        place = int(explained.argmax())
        if explained[place] > best:
            best, start = explained[place], box[axis].start
            parts = slice(start, start + place + 1), slice(start + place + 1, box[axis].stop)
            halves = [(*box[:axis], part, *box[axis + 1 :]) for part in parts]
    return halves


def _explained(sums: Reals) -> Reals:
    """Return the part of the sum of squares that the mean colour explains."""
    explained: Reals = (sums[:, 1:4] ** 2).sum(axis=1) / np.maximum(sums[:, 0], 1.0)
    return explained
