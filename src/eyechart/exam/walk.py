"""Ask about many images block by block: each block is stored when it is complete, and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import pandas as pd

from eyechart.dataset.ahead import ahead
from eyechart.errors import EyechartError
from eyechart.exam.answers import Row
from eyechart.exam.blocks import batches
from eyechart.progress import track
from eyechart.subjects.model import Pixels

# Gives the pictures of some rows of the table.
Load = Callable[[pd.DataFrame], list[Pixels]]


class Asker(Protocol):
    """Whoever asks a subject about one batch of images of one size."""

    def answer(self, table: pd.DataFrame, images: Sequence[Pixels]) -> list[Row]:
        """Return the rows that a batch gives, each with its ``image_id``."""
        ...

    def order_of(self, row: Row) -> tuple[int, ...]:
        """Return a row's place in the table, before that of its image."""
        ...


class Step(NamedTuple):
    """One batch of a block: the block's number, rows of the table, whether it is the block's last."""

    number: int
    places: list[int]
    last: bool


def steps(table: pd.DataFrame, cut: Sequence[range], numbers: Sequence[int], batch: int) -> list[Step]:
    """Return the batches of some blocks.

    Args:
        table: the images, with the columns ``height`` and ``width``.
        cut: all blocks, as places in the table.
        numbers: those that are wanted.
        batch: most images in one batch.
    """
    sizes = list(zip(table["height"], table["width"], strict=True))
    found = []
    for number in numbers:
        parts = batches(cut[number], sizes, batch)
        found += [Step(number, places, places is parts[-1]) for places in parts]
    return found


def walk(
    asker: Asker,
    table: pd.DataFrame,
    load: Load,
    wanted: Sequence[Step],
    write: Callable[[pd.DataFrame, int], None],
    told: str,
) -> None:
    """Ask batch by batch, and write each block when it is complete.

    Args:
        asker: asks.
        table: the images.
        load: gives pictures; it reads ahead in a thread of its own.
        wanted: what :func:`steps` returned.
        write: stores the rows of one block under its number.
        told: what a progress bar calls it; empty for none.

    Raises:
        EyechartError: the GPU's memory does not hold a batch.
    """
    loaded: Iterable[tuple[Step, pd.DataFrame, list[Pixels]]]
    loaded = ahead(partial(_load, table, load), wanted, workers=1)
    _answer(asker, track(loaded, told, len(wanted)) if told else loaded, write)


def _load(table: pd.DataFrame, load: Load, step: Step) -> tuple[Step, pd.DataFrame, list[Pixels]]:
    rows = table.iloc[step.places]
    return step, rows, load(rows)


def _answer(
    asker: Asker,
    loaded: Iterable[tuple[Step, pd.DataFrame, list[Pixels]]],
    write: Callable[[pd.DataFrame, int], None],
) -> None:
    import torch

    answered: list[tuple[int, Row]] = []
    for step, rows, images in loaded:
        place = dict(zip(rows["image_id"], step.places, strict=True))
        try:
            found = asker.answer(rows, images)
        except torch.OutOfMemoryError as error:
            raise EyechartError(
                f"the GPU's memory does not hold {len(images)} images with all their questions",
                "name a smaller --batch and another folder",
            ) from error
        answered += [(place[row["image_id"]], row) for row in found]
        if step.last:
            answered.sort(key=lambda entry: (*asker.order_of(entry[1]), entry[0]))
            write(pd.DataFrame([row for _, row in answered]), step.number)
            answered = []
