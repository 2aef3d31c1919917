"""A dataset that has been built."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from eyechart.dataset.plan import SPLITS, UNTYPED
from eyechart.distort.registry import Pixels
from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import pandas as pd

Places = dict[str, tuple[Path, int, int]]


@dataclass(frozen=True)
class Dataset:
    """One dataset's folder: ``path``, ``name``, ``hash`` (hexadecimal) and ``labels`` in their order."""

    path: Path
    name: str
    hash: str
    labels: tuple[str, ...]
    _known: dict[str, Places] = field(default_factory=dict, init=False, repr=False, compare=False)

    def table(self, split: str) -> pd.DataFrame:
        """Return one row per picture, without the pictures.

        Raises:
            EyechartError: no such split, or its file is damaged.
        """
        import pyarrow as pa

        from eyechart.dataset.store import COLUMNS, schema

        parts = [schema().empty_table().select([name for name in COLUMNS if name != "image"])]
        for path in self._shards(split):
            with _opened(path) as file:
                parts.append(file.read([name for name in COLUMNS if name != "image"]))
        return pa.concat_tables(parts).to_pandas()  # type: ignore[no-any-return]

    def rows(self, split: str) -> Iterator[dict[str, Any]]:
        """Yield one dict per picture, in row order, with its file as ``image["bytes"]``.

        Few are in memory at a time, however large the split is.

        Raises:
            EyechartError: no such split, or its file is damaged.
        """
        for path in self._shards(split):
            with _opened(path) as file:
                for group in range(file.num_row_groups):
                    yield from file.read_row_group(group).to_pylist()

    def images(self, split: str, image_ids: Iterable[str] | None = None) -> list[Pixels]:
        """Return pictures as uint8 HWC RGB: all in row order, or those named, in the order of the names.

        Only what is asked for is read and decoded.

        Raises:
            EyechartError: no such split, its file is damaged, or it has no picture of that name.
        """
        if image_ids is None:
            return list(self.each(split))
        wanted = list(image_ids)
        places = self._places(split)
        unknown = [name for name in wanted if name not in places]
        if unknown:
            raise EyechartError(
                f"{split} of {self.path.name} has no picture {unknown[0]!r}", "see table(split)"
            )
        groups: dict[tuple[Path, int], dict[str, int]] = {}
        for name in wanted:
            path, group, row = places[name]
            groups.setdefault((path, group), {})[name] = row
        found: dict[str, Pixels] = {}
        for (path, group), rows in groups.items():
            with _opened(path) as file:
                pictures = file.read_row_group(group, ["image"])["image"].combine_chunks().field("bytes")
            found |= {name: decoded(pictures[row].as_py(), name) for name, row in rows.items()}
        return [found[name] for name in wanted]

    def each(self, split: str) -> Iterator[Pixels]:
        """Yield every picture as uint8 HWC RGB, in row order; few are in memory at a time.

        Raises:
            EyechartError: no such split, or its file is damaged.
        """
        for row in self.rows(split):
            yield decoded(row["image"]["bytes"], row["image_id"])

    def record(self) -> dict[str, Any]:
        """Return what ``dataset.json`` says: configuration, label map, counts, versions."""
        return _record(self.path)

    def _places(self, split: str) -> Places:
        """Return where each picture is: shard, row group, row in the group. It is found once and kept."""
        if split in self._known:
            return self._known[split]
        places: Places = {}
        for path in self._shards(split):
            with _opened(path) as file:
                for group in range(file.num_row_groups):
                    names = file.read_row_group(group, ["image_id"])["image_id"].to_pylist()
                    places |= {name: (path, group, row) for row, name in enumerate(names)}
        self._known[split] = places
        return places

    def _shards(self, split: str) -> list[Path]:
        from eyechart.dataset.store import shards

        if split not in (*SPLITS, UNTYPED):
            raise EyechartError(f"there is no split {split!r}", f"splits: {', '.join(SPLITS)}")
        return shards(self.path, split)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a shard; what is wrong with it is told in words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise EyechartError(
            f"{path} is absent or damaged: {error}", "remove the folder and build the dataset again"
        ) from error


def load_dataset(folder: Path) -> Dataset:
    """Return the dataset in a folder.

    Raises:
        EyechartError: there is none, or it is not whole.
    """
    found = _record(folder)
    first = {split: [f"{split}-00000.parquet"] for split in SPLITS}
    names = [name for own in {**first, **found.get("shards", {})}.values() for name in own]
    missing = [name for name in names if not (folder / name).is_file()]
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


def decoded(data: bytes, name: str) -> Pixels:
    """Return a picture's pixels, uint8 HWC RGB.

    Raises:
        EyechartError: the file is damaged.
    """
    try:
        with Image.open(BytesIO(data)) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise EyechartError(f"the picture {name} is damaged: {error}", "build the dataset again") from error
