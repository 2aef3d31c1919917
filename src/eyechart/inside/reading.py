"""Read a subject's states batch after batch, each image once for all stages, and keep them on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eyechart.dataset.ahead import ahead
from eyechart.errors import EyechartError
from eyechart.exam.blocks import batches, blocks
from eyechart.inside.config import InsideConfig
from eyechart.inside.store import States
from eyechart.progress import track
from eyechart.runs import writing
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.subjects.stages import LAST, PROJECTED, stage_names, stages

if TYPE_CHECKING:
    import pandas as pd
    import torch

    Seen = dict[str, list[torch.Tensor]]  # stage to one tensor an image

BLOCK = 64  # images in a shard: what a killed process has to read again
Load = Callable[[Sequence[str]], list[Pixels]]
_SAMPLED = 16  # images whose tokens are counted for the size that is told beforehand
_MIB = 2**20


def read_states(
    folder: Path,
    subject: ModelSubject,
    table: pd.DataFrame,
    load: Load,
    question: str,
    config: InsideConfig,
    *,
    tokens: bool,
    only: Sequence[str] | None = None,
    what: str = "images",
    say: Callable[[str], None] = print,
) -> States:
    """Return the states of some images; shards that are there are not read again.

    Memory does not grow with the number of images. What a killed process has left half-written is removed.

    Args:
        folder: where the shards lie; its name must tell apart all that the states depend on.
        subject: the model.
        table: the images' rows of the dataset: image_id, height, width.
        load: returns the images of some ids, uint8 HWC RGB.
        question: what the language model reads.
        config: settings.
        tokens: keep the tokens of the projector's output and of the language model's layers too.
        only: stages that are read (:func:`eyechart.subjects.stages.stage_names`); None: as ``config`` says.
        what: what the images are called where progress is told.
        say: where progress is told.

    Raises:
        EyechartError: the disk has too little room, an image is damaged, or the family has no stages.
    """
    import torch

    names = every(stage_names(subject.model), config.every) if only is None else tuple(only)
    kept = tuple(name for name in names if tokens and _has_tokens(name))
    found = States(folder, names, kept, tuple(table["image_id"]), BLOCK)
    for path in folder.glob(".*.partial"):
        path.unlink()
    parts = dict(enumerate(blocks(len(table), BLOCK)))
    waiting = {number: part for number, part in parts.items() if not found.shard(number).is_file()}
    if not waiting:
        return found
    with torch.no_grad(), subject.precision():
        sizes = list(zip(table["height"], table["width"], strict=True))
        first = _read(subject, load(found.image_ids[:1]), question, names)
        need = _bytes_each(subject, first, sizes, question, found, config) * sum(map(len, waiting.values()))
        say(f"{what}: {len(table)}, {len(names)} stages, {need / _MIB:.1f} MiB on the disk")
        refuse_full(folder, need)
        steps = [(n, part, few) for n, part in waiting.items() for few in batches(part, sizes, config.batch)]
        loaded = ahead(partial(_load, found.image_ids, load), [few for *_, few in steps], workers=1)
        shard = _Shard(found, config.precision)
        for (number, part, few), images in track(
            zip(steps, loaded, strict=True), f"{what}: reading the states", len(steps)
        ):
            shard.add(few, _read(subject, images, question, names))
            if shard.count == len(part):
                shard.write(number)
                shard = _Shard(found, config.precision)
    return found


def every(names: Sequence[str], step: int) -> tuple[str, ...]:
    """Leave out layers of the language model, but not its last."""
    layers = [name for name in names if name.startswith("language") and name != LAST]
    left_out = {name for i, name in enumerate(layers, 1) if i % step and i < len(layers)}
    return tuple(name for name in names if name not in left_out)


def refuse_full(folder: Path, need: float) -> None:
    """Refuse to begin what the disk cannot hold.

    Args:
        folder: where the states will lie; made if absent.
        need: bytes.

    Raises:
        EyechartError: it has less room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise EyechartError(f"cannot write to {folder}: {error.strerror}", "mend the permissions") from error
    if need > free:
        raise EyechartError(
            f"the states need {need / _MIB:.0f} MiB on the disk, and {folder} has {free / _MIB:.0f} MiB",
            "free some space, or read less: --precision bfloat16, --every, --images, --no-tokens",
        )


class _Shard:
    """The states of one block, collected until they are written."""

    def __init__(self, states: States, precision: str) -> None:
        import torch

        self._states, self._precision = states, getattr(torch, precision)
        self._places: list[int] = []
        self._pooled: Seen = {name: [] for name in states.names}
        self._whole: Seen = {name: [] for name in states.kept}

    @property
    def count(self) -> int:
        """Return how many images are collected."""
        return len(self._places)

    def add(self, places: Sequence[int], seen: Seen) -> None:
        """Add a batch: the images' places in the table, and their states."""
        self._places += places
        for name, found in self._pooled.items():
            found += [_pool(name, one) for one in seen[name]]
        for name, found in self._whole.items():
            found += [one.to("cpu", self._precision) for one in seen[name]]

    def write(self, number: int) -> None:
        """Write the shard, its images in the order of the table."""
        import torch
        from safetensors.torch import save_file

        rows = np.argsort(self._places)
        tensors = {f"pooled {name}": torch.stack([of[i] for i in rows]) for name, of in self._pooled.items()}
        for name, of in self._whole.items():
            tensors[f"tokens {name}"] = torch.cat([of[i] for i in rows])
            tensors[f"ends {name}"] = torch.tensor([len(of[i]) for i in rows]).cumsum(0)
        with writing(self._states.shard(number)) as beside:
            save_file(tensors, beside)


def _has_tokens(name: str) -> bool:
    return name == PROJECTED or (name.startswith("language") and name != LAST)


def _load(image_ids: Sequence[str], load: Load, places: Sequence[int]) -> list[Pixels]:
    return load([image_ids[i] for i in places])


def _read(subject: ModelSubject, images: Sequence[Pixels], question: str, names: Sequence[str]) -> Seen:
    return stages(subject.model, subject.inputs(images, subject.conversation(question)), names)


def _pool(name: str, states: torch.Tensor) -> torch.Tensor:
    """Return mean and standard deviation over an image's tokens, [2 x width]; the last position as it is."""
    import torch

    states = states.float()
    if name == LAST:
        return states[0].cpu()
    return torch.cat([states.mean(0), states.std(0, correction=min(1, len(states) - 1))]).cpu()


def _bytes_each(
    subject: ModelSubject,
    first: Seen,
    sizes: Sequence[tuple[int, int]],
    question: str,
    states: States,
    config: InsideConfig,
) -> float:
    """Return the mean bytes of an image: those of the first one, by the image positions of a few prompts."""
    pooled = sum(4 * (1 if name == LAST else 2) * first[name][0].shape[-1] for name in states.names)
    each = 4 if config.precision == "float32" else 2
    tokens = sum(each * first[name][0].numel() for name in states.kept)
    places = np.unique(np.linspace(0, len(sizes) - 1, _SAMPLED).astype(int))
    positions = [len(subject.prompt(question, sizes[place]).image_positions) for place in places]
    return pooled + tokens * float(np.mean(positions)) / max(1, positions[0])
