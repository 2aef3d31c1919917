"""Read a subject's states batch after batch, each image once for all stages, and keep them on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from eyechart.dataset.ahead import ahead
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

    Kept = dict[str, list[torch.Tensor]]  # stage to one tensor an image

BLOCK = 64  # images in a shard: what a killed process has to read again
Load = Callable[[Sequence[str]], list[Pixels]]


def read_states(
    folder: Path,
    subject: ModelSubject,
    table: pd.DataFrame,
    load: Load,
    question: str,
    config: InsideConfig,
    *,
    tokens: bool,
) -> States:
    """Return the states of some images; shards that are there are not read again.

    Args:
        folder: where the shards lie, named by all that the states depend on.
        subject: the model.
        table: the images' rows of the dataset: image_id, height, width.
        load: returns the images of some ids, uint8 HWC RGB.
        question: what the language model reads.
        config: settings.
        tokens: keep the tokens of the projector's output and of the language model's layers too.

    Raises:
        EyechartError: the disk is full, an image is damaged, or the family has no stages.
    """
    import torch

    names = every(stage_names(subject.model), config.every)
    kept = tuple(name for name in names if tokens and _has_tokens(name))
    found = States(folder, names, kept, tuple(table["image_id"]), BLOCK)
    waiting = [part for part in blocks(len(table), BLOCK) if not found.shard(part.start // BLOCK).is_file()]
    for path in folder.glob(".*.partial"):  # what a killed process left
        path.unlink()
    sizes = list(zip(table["height"], table["width"], strict=True))
    steps = [(part, places) for part in waiting for places in batches(part, sizes, config.batch)]
    loaded = ahead(partial(_load, found.image_ids, load), (places for _, places in steps), workers=1)
    pooled: Kept = {name: [] for name in names}
    whole: Kept = {name: [] for name in kept}
    order: list[int] = []
    with torch.no_grad(), subject.precision():
        for (part, places), images in track(
            zip(steps, loaded, strict=True), "reading the states at each stage", len(steps)
        ):
            states = _read(subject, images, question, names)
            for name in names:
                pooled[name] += [_pool(name, one) for one in states[name]]
            for name in kept:
                whole[name] += [one.to("cpu", getattr(torch, config.precision)) for one in states[name]]
            order += places
            if len(order) == len(part):
                _write(found.shard(part.start // BLOCK), order, pooled, whole)
                pooled, whole, order = {n: [] for n in names}, {n: [] for n in kept}, []
    return found


def every(names: Sequence[str], step: int) -> tuple[str, ...]:
    """Leave out layers of the language model, but not its last."""
    layers = [name for name in names if name.startswith("language") and name != LAST]
    left_out = {name for i, name in enumerate(layers, 1) if i % step and i < len(layers)}
    return tuple(name for name in names if name not in left_out)


def _has_tokens(name: str) -> bool:
    return name == PROJECTED or (name.startswith("language") and name != LAST)


def _load(image_ids: Sequence[str], load: Load, places: Sequence[int]) -> list[Pixels]:
    return load([image_ids[i] for i in places])


def _read(subject: ModelSubject, images: Sequence[Pixels], question: str, names: Sequence[str]) -> Kept:
    return stages(subject.model, subject.inputs(images, subject.conversation(question)), names)


def _pool(name: str, states: torch.Tensor) -> torch.Tensor:
    """Return mean and standard deviation over an image's tokens, [2 x width]; the last position as it is."""
    import torch

    states = states.float()
    if name == LAST:
        return states[0].cpu()
    return torch.cat([states.mean(0), states.std(0, correction=min(1, len(states) - 1))]).cpu()


def _write(path: Path, order: Sequence[int], pooled: Kept, whole: Kept) -> None:
    """Write one shard, its images in the order of the table."""
    import torch
    from safetensors.torch import save_file

    rows = sorted(range(len(order)), key=order.__getitem__)
    tensors = {f"pooled {name}": torch.stack([found[i] for i in rows]) for name, found in pooled.items()}
    for name, found in whole.items():
        tensors[f"tokens {name}"] = torch.cat([found[i] for i in rows])
        tensors[f"ends {name}"] = torch.tensor([len(found[i]) for i in rows]).cumsum(0)
    with writing(path) as partial_file:
        save_file(tensors, partial_file)
