"""One page that shows a dataset: its numbers, and pictures by label and level, to be looked at."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyechart.dataset.dataset import Dataset
from eyechart.dataset.show import overview, rates
from eyechart.distort.registry import Pixels
from eyechart.report.labels import label_map_shown
from eyechart.report.render import environment, policy
from eyechart.report.views import Cell, Grid
from eyechart.runs import writing
from eyechart.seeds import rng

if TYPE_CHECKING:
    import pandas as pd

SIDE = 160  # pixels of a thumbnail
_NARROWEST = 128  # pixels of a column


@dataclass(frozen=True)
class Thumb:
    """One picture on the page; ``words`` stand under it."""

    uri: str
    image_id: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Shelf:
    """All pictures of one label: a row for each corpus, a cell for each level, None where there is none.

    ``width`` is that of a cell, in pixels.
    """

    label: str
    width: int
    levels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Thumb | None, ...]], ...]


def build_dataset_page(dataset: Dataset, file: Path, split: str = "test") -> Path:
    """Write a self-contained page without scripts: tables, and one picture per label, corpus and level.

    Pictures are cut from the middle at native resolution, as shrinking would hide the distortion.

    Raises:
        EyechartError: the dataset is damaged, or the file cannot be written.
    """
    record = dataset.record()
    page = environment().get_template("dataset.html.j2")
    shown = {
        "forbid": policy(),
        "dataset": dataset,
        "record": record,
        "rates": rates(dataset),
        "label_map": label_map_shown(record),
        "split": split,
        "side": SIDE,
        "grids": [_grid(title, table) for title, table in overview(dataset).items()],
        "shelves": _shelves(dataset, split),
    }
    with writing(file) as partial:
        partial.write_text(page.render(shown), encoding="utf-8")
    return file


def _grid(title: str, table: pd.DataFrame) -> Grid:
    """Return a table of whole numbers as it stands on the page."""
    rows = tuple(
        (_name(index), tuple(Cell(str(value) if value else "–") for value in row))
        for index, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    )
    corner = ", ".join(str(name) for name in table.index.names)
    return Grid(title, corner, tuple(str(name) for name in table.columns), rows)


def _name(index: object) -> str:
    return ", ".join(str(part) for part in index) if isinstance(index, tuple) else str(index)


def _shelves(dataset: Dataset, split: str) -> list[Shelf]:
    """Draw one picture per label, corpus and level."""
    table = dataset.table(split)
    drawn = table.iloc[rng(0, "show").permutation(len(table))]
    chosen = drawn.groupby(["label", "corpus", "level"]).head(1)
    ids = [str(name) for name in chosen["image_id"]]
    pixels = dict(zip(ids, dataset.images(split, ids), strict=True))
    shelves = []
    for label in dataset.labels:
        mine = chosen[chosen["label"] == label]
        levels = sorted(mine["level"].unique())
        rows = []
        for corpus, part in mine.groupby("corpus"):
            found = {row["level"]: row for row in part.to_dict("records")}
            thumbs = tuple(_thumb(found[level], pixels) if level in found else None for level in levels)
            rows.append((str(corpus), thumbs))
        if rows:
            width = min(SIDE, max(_NARROWEST, *(pixels[str(name)].shape[1] for name in mine["image_id"])))
            shelves.append(Shelf(label, width, tuple(_level(level) for level in levels), tuple(rows)))
    return shelves


def _level(level: int) -> str:
    return {0: "clean", -1: "no level given"}.get(level, f"level {level}")


def _thumb(row: dict[Any, Any], pixels: dict[str, Pixels]) -> Thumb:
    image_id = str(row["image_id"])
    words = [str(row["distortion"]).replace("_", " ")]
    psnr, score = float(row["psnr"]), float(row["score"])
    words += [f"{psnr:.1f} dB"] if math.isfinite(psnr) else []
    words += [f"score {score:.2f}"] if math.isfinite(score) else []
    return Thumb(_uri(pixels[image_id]), image_id, tuple(words))


def _uri(pixels: Pixels) -> str:
    from PIL import Image

    height, width = pixels.shape[:2]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    stream = io.BytesIO()
    Image.fromarray(pixels[top : top + SIDE, left : left + SIDE]).save(stream, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
