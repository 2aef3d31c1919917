"""What an arm is trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from eyechart.subjects.model import Pixels

if TYPE_CHECKING:
    from eyechart.dataset import Dataset


class Pictures(Sequence[Pixels]):
    """The pictures of a dataset's split, each read when it is asked for."""

    def __init__(self, dataset: Dataset, split: str, names: Sequence[str]) -> None:
        self._dataset, self._split, self._names = dataset, split, names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, row: int) -> Pixels: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[Pixels]: ...

    def __getitem__(self, row: int | slice) -> Pixels | Sequence[Pixels]:
        if isinstance(row, slice):
            return self._dataset.images(self._split, self._names[row])
        return self._dataset.images(self._split, [self._names[row]])[0]


@dataclass(frozen=True)
class Lesson:
    """Images with their labels, and how they are asked for.

    Attributes:
        images: uint8 HWC RGB, of any sizes; may read an image when it is asked for it.
        targets: index of each image's label, int64 [n].
        labels: the labels.
        questions: the train templates' questions, as they are asked.
        sizes: height and width of each image in px; () where ``images`` can tell cheaply.
        contents: the content of each image; () where it is not known: each is its own.
        corpora: the corpus of each image; () where there is one.
        clean: whether each image is undistorted, bool [n]; None where it is not known: none is.
        identity: identifies the images' pixels, for what is kept on disk; empty where they are to be hashed.
    """

    images: Sequence[Pixels]
    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    questions: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...] = ()
    contents: tuple[str, ...] = ()
    corpora: tuple[str, ...] = ()
    clean: NDArray[np.bool_] | None = None
    identity: str = ""

    def size(self, row: int) -> tuple[int, int]:
        """Return the height and width of an image in px."""
        return self.sizes[row] if self.sizes else (self.images[row].shape[0], self.images[row].shape[1])

    def digest(self) -> str:
        """Return what identifies the images: hexadecimal."""
        found = hashlib.sha256(self.identity.encode())
        if not self.identity:
            for image in self.images:
                found.update(repr(image.shape).encode() + image.tobytes())
        return found.hexdigest()
