"""Find pictures that show parts of one photograph, by their keypoints: crops at any place, resized or not.

ORB keypoints (Rublee et al., ICCV 2011) are screened by locality-sensitive hashing, so that not every pair is
compared; what passes is fitted with a scale and a shift.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.dataset.copies import Box
from eyechart.distort.registry import Pixels
from eyechart.seeds import rng

_LONGEST = 640  # pixels; larger pictures are shrunk to this before keypoints are sought
_SMALLEST = 64  # pixels; a smaller picture has too few keypoints to tell anything
_EDGE = (
    20  # pixels from the border within which there is no keypoint, as what it describes would reach beyond
)
_CELLS, _PER_CELL = 64, 8  # of a picture, and the strongest keypoints of each, so that a crop keeps its own
_LEAST_CELL = 24  # pixels
_TABLES, _BYTES = 16, 4  # of the hashing: descriptors that agree in all bytes of one table are compared
_CROWD = 16  # descriptors that more pictures share than this say nothing
_VOTES = 4  # keypoints that two pictures must share before they are fitted
_INLIERS = 8  # keypoints that must agree on one scale and shift
_STRAIGHT = 0.03  # a crop is not turned: largest sine of the fitted rotation
_SHARE = 0.15  # of the smaller picture that the other must show


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of a picture of ``size`` (width, height).

    ``points`` are float32 (n, 2): x, y in pixels of the picture; ``descriptors`` uint8 (n, 32).
    """

    size: tuple[int, int]
    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


@dataclass(frozen=True)
class Overlap:
    """Two pictures, by their numbers, the first less, and the part of each that would show the same."""

    first: int
    second: int
    in_first: Box
    in_second: Box


def keypoints(picture: Pixels) -> Keypoints:
    """Return the keypoints of a picture (uint8 HWC RGB)."""
    height, width = picture.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    orb = cv2.ORB.create(nfeatures=5000, fastThreshold=7, edgeThreshold=_EDGE)
    found, descriptors = [], None
    if min(grey.shape) >= _SMALLEST:
        found, descriptors = orb.compute(grey, _spread(orb.detect(grey, None), _cell(grey.size)))
    if descriptors is None:
        descriptors = np.zeros((0, 32), np.uint8)
    points = np.array([point.pt for point in found], np.float32).reshape(-1, 2) / np.float32(scale)
    return Keypoints((width, height), points, descriptors)


def _cell(pixels: int) -> float:
    return max(_LEAST_CELL, math.sqrt(pixels / _CELLS))


def _spread(found: Sequence[cv2.KeyPoint], side: float) -> list[cv2.KeyPoint]:
    """Return the strongest keypoints of each cell, as the strongest of all may lie in one corner."""
    cells: dict[tuple[int, int], list[cv2.KeyPoint]] = {}
    for point in sorted(found, key=lambda point: (-point.response, point.pt)):
        cell = cells.setdefault((int(point.pt[0] // side), int(point.pt[1] // side)), [])
        if len(cell) < _PER_CELL:
            cell.append(point)
    return [point for cell in cells.values() for point in cell]


def overlaps(found: Sequence[Keypoints], apart: Sequence[str]) -> Iterator[Overlap]:
    """Yield the pairs that may be crops of one photograph, among pictures whose ``apart`` differs."""
    for first, second in _screen(found, apart):
        fitted = _fit(found[first], found[second])
        if fitted is not None:
            yield Overlap(first, second, *fitted)


def _screen(found: Sequence[Keypoints], apart: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of pictures that share enough keypoints, by hashing."""
    if not found:
        return []
    descriptors = np.concatenate([one.descriptors for one in found])
    owner = np.repeat(np.arange(len(found)), [len(one.points) for one in found])
    group = np.unique(np.asarray(apart), return_inverse=True)[1][owner]
    shared: list[NDArray[np.int64]] = []
    for table in range(_TABLES):
        chosen = rng(0, "overlaps", table).choice(descriptors.shape[1], _BYTES, replace=False)
        keys = np.ascontiguousarray(descriptors[:, chosen]).view(np.uint32).ravel()
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[order], prepend=keys[order[:1]] + 1))
        sizes = np.diff(starts, append=len(order))
        order = order[np.repeat((sizes > 1) & (sizes <= _CROWD), sizes)]
        for lag in range(1, _CROWD):
            one, other = order[:-lag], order[lag:]
            differ = (keys[one] == keys[other]) & (group[one] != group[other])
            one, other = np.minimum(one, other)[differ], np.maximum(one, other)[differ]
            shared.append(one * len(owner) + other)
    one, other = np.divmod(np.unique(np.concatenate(shared)), len(owner))  # each pair of keypoints once
    pairs, votes = np.unique(owner[one] * len(found) + owner[other], return_counts=True)
    return [divmod(int(pair), len(found)) for pair in pairs[votes >= _VOTES]]


def _fit(first: Keypoints, second: Keypoints) -> tuple[Box, Box] | None:
    """Return what both pictures show, or None where no scale and shift takes one to the other."""
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(first.descriptors, second.descriptors)
    if len(matches) < _INLIERS:
        return None
    here = first.points[[match.queryIdx for match in matches]]
    there = second.points[[match.trainIdx for match in matches]]
    fitted, inliers = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=3.0)
    if fitted is None or int(inliers.sum()) < _INLIERS:
        return None
    scale = float(np.hypot(fitted[0, 0], fitted[1, 0]))
    if abs(fitted[1, 0]) > _STRAIGHT * scale or fitted[0, 0] <= 0:
        return None
    return _boxes(first.size, second.size, scale, fitted[:, 2])


def _boxes(
    first: tuple[int, int], second: tuple[int, int], scale: float, shift: NDArray[np.float64]
) -> tuple[Box, Box] | None:
    """Return the common part as shares of both pictures; None where it is too small to tell anything."""
    low = np.maximum(0, -shift / scale)
    high = np.minimum(first, (np.array(second) - shift) / scale)
    area, smaller = float(np.prod(np.maximum(0, high - low))), min(np.prod(first), np.prod(second) / scale**2)
    if area < _SHARE * float(smaller):
        return None
    return _box(low, high, first), _box(low * scale + shift, high * scale + shift, second)


def _box(low: NDArray[np.float64], high: NDArray[np.float64], size: tuple[int, int]) -> Box:
    left, top, right, bottom = (float(share) for share in (*(low / size), *(high / size)))
    return left, top, right, bottom
