"""The states of one subject on some images, on the disk, read again stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import torch


class NotKeptError(EyechartError):
    """The tokens of a stage are not kept, by the settings or since the family has no such stage."""


@dataclass(frozen=True)
class States:
    """States that were read once.

    Attributes:
        folder: where they lie.
        names: the stages in the order in which an image passes them (see
            :func:`eyechart.subjects.stages.stage_names`).
        kept: the stages whose tokens are kept, in the same order; empty where none are.
        image_ids: the images, in the order of the rows.
        block: images in one shard.
    """

    folder: Path
    names: tuple[str, ...]
    kept: tuple[str, ...]
    image_ids: tuple[str, ...]
    block: int

    def pooled(self, stage: str) -> NDArray[np.float32]:
        """Return mean, then standard deviation over each image's tokens, float32 [n, 2 x width].

        Of ``language last position`` it is the state itself, [n, width].

        Raises:
            EyechartError: the stage was not read.
        """
        if stage not in self.names:
            raise EyechartError(f"the stage {stage!r} was not read", f"one of {', '.join(self.names)}")
        parts = []
        for path in self._shards():
            with _opened(path, "np") as shard:
                parts.append(shard.get_tensor(f"pooled {stage}"))
        return np.concatenate(parts)

    def tokens(self, stage: str) -> Sequence[torch.Tensor]:
        """Return each image's states at a stage, float32 [tokens, width], read when asked for.

        Raises:
            NotKeptError: the tokens of this stage are not kept.
        """
        if stage not in self.kept:
            told = f"kept are those of {', '.join(self.kept)}" if self.kept else "this look keeps none"
            raise NotKeptError(f"the tokens of {stage!r} are not kept", told)
        return Tokens(self._shards(), stage, self.block, len(self.image_ids))

    @property
    def whole(self) -> bool:
        """Say whether every shard is there."""
        return all(path.is_file() for path in self._shards())

    def shard(self, number: int) -> Path:
        """Return the file of one shard."""
        return self.folder / f"{number:05d}.safetensors"

    def _shards(self) -> list[Path]:
        return [self.shard(number) for number in range(-(-len(self.image_ids) // self.block))]


class Tokens(Sequence["torch.Tensor"]):
    """Each image's states at one stage, float32 [tokens, width] on the CPU, read when they are asked for."""

    def __init__(self, shards: Sequence[Path], stage: str, block: int, count: int) -> None:
        self._shards, self._stage, self._block, self._count = shards, stage, block, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> torch.Tensor: ...

    @overload
    def __getitem__(self, row: slice) -> Sequence[torch.Tensor]: ...

    def __getitem__(self, row: int | slice) -> torch.Tensor | Sequence[torch.Tensor]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(self._count))]
        row = range(self._count)[row]
        with _opened(self._shards[row // self._block], "pt") as shard:
            ends = shard.get_tensor(f"ends {self._stage}").tolist()
            place = row % self._block
            start = ends[place - 1] if place else 0
            found: torch.Tensor = shard.get_slice(f"tokens {self._stage}")[start : ends[place]].float()
        return found


@contextmanager
def _opened(path: Path, framework: str) -> Iterator[Any]:
    """Open a shard; what is wrong with it is told in words."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework) as shard:
            yield shard
    except (OSError, SafetensorError) as error:
        raise EyechartError(
            f"{path} is absent or damaged: {error}", "remove it and run the same command again; it resumes"
        ) from error
