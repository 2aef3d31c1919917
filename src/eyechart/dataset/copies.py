"""Find pictures that show the same photograph as a whole: resized, recompressed, distorted, or mirrored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import Pixels

Small = NDArray[np.uint8]  # a picture's luma, shrunk to a square
Outline = NDArray[np.float32]  # its coarse detail, as a vector of length 1
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of width and height
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

_SIDE = 128  # of the squares
_COARSE, _FINE = 32, 64  # sides at which squares are screened and compared
_SCREENED, _SAME = 0.6, 0.6  # least correlation; different photographs stay below 0.5 and 0.35
_FLAT = 0.5  # grey levels: with less detail than this, noise alone would decide
_BLOCK = 1024  # pictures screened at a time


def small(picture: Pixels) -> Small:
    """Return the luma of a picture (uint8 HWC RGB), shrunk to 128 x 128 whatever its shape."""
    return _resized(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), _SIDE)


def outline(shrunk: Small) -> Outline:
    """Return the coarse detail of a picture, by which copies are screened."""
    return _detail(_resized(shrunk, _COARSE), 0, 2)


def alike(first: Outline, second: Outline) -> bool:
    """Tell whether two pictures may show the same."""
    return float(first @ second) >= _SCREENED


def copies(found: Sequence[Small], apart: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the pairs that show one photograph, mirrored or not, among pictures whose ``apart`` differs."""
    if not found:
        return
    details = np.stack([outline(one) for one in found])
    side = math.isqrt(details.shape[1])
    mirrored = details.reshape(-1, side, side)[:, :, ::-1].reshape(details.shape)
    group = np.unique(np.asarray(apart), return_inverse=True)[1]
    order = np.argsort(group, kind="stable")
    for start in range(0, len(order), _BLOCK):
        rows = order[start : start + _BLOCK]
        columns = order[np.searchsorted(group[order], group[rows[0]], side="right") :]
        for turned in (details, mirrored):
            screened = turned[rows] @ details[columns].T >= _SCREENED
            screened &= group[rows][:, None] < group[columns]
            for row, column in np.argwhere(screened):
                one, other = int(rows[row]), int(columns[column])
                if same(found[one][:, ::-1] if turned is mirrored else found[one], found[other]):
                    yield min(one, other), max(one, other)


def same(first: Small, second: Small, in_first: Box = WHOLE, in_second: Box = WHOLE) -> bool:
    """Tell whether the given parts of two pictures show the same."""
    one, other = (
        _detail(_resized(_part(*pair), _FINE), 0.7, 3) for pair in ((first, in_first), (second, in_second))
    )
    return float(one @ other) >= _SAME


def _part(square: Small, box: Box) -> Small:
    left, top, right, bottom = (round(share * _SIDE) for share in box)
    return square[top : max(bottom, top + 1), left : max(right, left + 1)]


def _resized(grey: Small, side: int) -> Small:
    how = cv2.INTER_AREA if min(grey.shape) >= side else cv2.INTER_LINEAR
    resized: Small = cv2.resize(grey, (side, side), interpolation=how)
    return resized


def _detail(square: Small, fine: float, coarse: float) -> NDArray[np.float32]:
    """Return what two blurs (sigma in pixels) differ in, as a vector of length 1; zeros where it is flat."""
    grey = square.astype(np.float32)
    sharp = cv2.GaussianBlur(grey, (0, 0), fine) if fine else grey
    edge = math.ceil(1.5 * coarse)  # near the border the blur sees beyond the picture
    detail = (sharp - cv2.GaussianBlur(grey, (0, 0), coarse))[edge:-edge, edge:-edge].ravel()
    length = float(np.linalg.norm(detail))
    return detail / np.float32(length) if length >= _FLAT * math.sqrt(detail.size) else np.zeros_like(detail)
