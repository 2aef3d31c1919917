"""Find near-duplicates among many pictures, each seen once and one at a time."""

from __future__ import annotations

from collections.abc import Iterator

from eyechart.dataset.copies import Outline, Small, alike, copies, outline, same, small
from eyechart.dataset.crops import Keypoints, keypoints, overlaps
from eyechart.distort.registry import Pixels


class Traces:
    """What is kept of each picture, 20 to 40 kB, enough to find those that show one photograph.

    Found: copies of a whole picture (recompressed, resized, moderately distorted, mirrored, trimmed by one or
    two per cent), and crops that show at least a seventh of the smaller picture, resized up to threefold.
    Not found: crops that are also mirrored, turned pictures, and what is too flat or too small to compare.
    """

    def __init__(self) -> None:
        self._small: list[Small] = []
        self._apart: list[str] = []
        self._seen: dict[str, list[Outline]] = {}
        self._keypoints: list[tuple[int, Keypoints]] = []

    def add(self, picture: Pixels, apart: str, content: str | None = None) -> None:
        """Take a picture.

        Args:
            picture: uint8 HWC RGB.
            apart: only pictures that differ in it are compared.
            content: where it looks like an earlier picture of its content, the distorted version of a
                reference say, crops are sought of that one only, which takes far less time. None: unlike any.
        """
        number, shrunk = len(self._small), small(picture)
        self._small.append(shrunk)
        self._apart.append(apart)
        if content is not None:
            found, seen = outline(shrunk), self._seen.setdefault(f"{apart}/{content}", [])
            if any(alike(found, earlier) for earlier in seen):
                return
            seen.append(found)
        self._keypoints.append((number, keypoints(picture)))

    def pairs(self) -> list[tuple[int, int]]:
        """Return the pairs that show one photograph, by the order in which they were added, sorted."""
        return sorted({*copies(self._small, self._apart), *self._crops()})

    def _crops(self) -> Iterator[tuple[int, int]]:
        numbers = [number for number, _ in self._keypoints]
        for overlap in overlaps([found for _, found in self._keypoints], [self._apart[n] for n in numbers]):
            first, second = numbers[overlap.first], numbers[overlap.second]
            if same(self._small[first], self._small[second], overlap.in_first, overlap.in_second):
                yield first, second
