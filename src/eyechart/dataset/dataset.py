"""A dataset that has been built."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from eyechart.dataset.plan import SPLITS
from eyechart.distort.registry import Pixels
from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """One dataset's folder: ``path``, ``name``, ``hash`` (hexadecimal) and ``labels`` in their order."""

    path: Path
    name: str
    hash: str
    labels: tuple[str, ...]

    def table(self, split: str) -> pd.DataFrame:
        """Return one row per picture, without the pictures.

        Raises:
            EyechartError: no such split, or its file is damaged.
        """
        from eyechart.dataset.store import COLUMNS

        return self._read(split, [name for name in COLUMNS if name != "image"]).to_pandas()  # type: ignore[no-any-return]

    def images(self, split: str, image_ids: Iterable[str] | None = None) -> list[Pixels]:
        """Return pictures as uint8 HWC RGB: all in row order, or those named, in the order of the names.

        Raises:
            EyechartError: no such split, its file is damaged, or it has no picture of that name.
        """
        table = self._read(split, ["image_id", "image"])
        rows = {name: row for row, name in enumerate(table["image_id"].to_pylist())}
        wanted = list(rows) if image_ids is None else list(image_ids)
        unknown = [name for name in wanted if name not in rows]
        if unknown:
            raise EyechartError(
                f"{split} of {self.path.name} has no picture {unknown[0]!r}", "see table(split)"
            )
        pictures = table["image"].combine_chunks().field("bytes")
        return [_decoded(pictures[rows[name]].as_py(), name) for name in wanted]

    def record(self) -> dict[str, Any]:
        """Return what ``dataset.json`` says: configuration, label map, counts, versions."""
        return _record(self.path)

    def _read(self, split: str, columns: list[str]) -> Any:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if split not in SPLITS:
            raise EyechartError(f"there is no split {split!r}", f"splits: {', '.join(SPLITS)}")
        try:
            return pq.read_table(self.path / f"{split}.parquet", columns=columns)
        except (OSError, pa.ArrowException) as error:
            raise EyechartError(
                f"{self.path / f'{split}.parquet'} is absent or damaged: {error}",
                "remove the folder and build the dataset again",
            ) from error


def load_dataset(folder: Path) -> Dataset:
    """Return the dataset in a folder.

    Raises:
        EyechartError: there is none, or it is not whole.
    """
    found = _record(folder)
    missing = [f"{split}.parquet" for split in SPLITS if not (folder / f"{split}.parquet").is_file()]
    if missing:
        raise EyechartError(f"{folder} lacks {', '.join(missing)}", "remove it and build the dataset again")
    return Dataset(folder, found["name"], found["hash"], tuple(found["label_map"]["labels"]))


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "dataset.json"
    if not path.is_file():
        inside = sorted(found.parent.name for found in folder.glob("*/dataset.json"))
        remedy = (
            f"it holds the datasets {', '.join(inside)}: name one"
            if inside
            else "build one: eyechart dataset build"
        )
        raise EyechartError(f"{folder} is not a dataset: it has no dataset.json", remedy)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if {"name", "hash", "label_map"} <= set(found) and isinstance(found["label_map"]["labels"], list):
            return found
        problem = "it lacks name, hash or label_map"
    except (OSError, ValueError, TypeError, KeyError) as error:
        problem = str(error)
    raise EyechartError(f"{path} is damaged: {problem}", "remove the folder and build the dataset again")


def _decoded(data: bytes, name: str) -> Pixels:
    try:
        with Image.open(BytesIO(data)) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise EyechartError(f"the picture {name} is damaged: {error}", "build the dataset again") from error
