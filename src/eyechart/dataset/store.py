"""How a dataset lies on the disk: Parquet files that Hugging Face ``datasets`` reads with their images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from eyechart.dataset.plan import SPLITS

_ROWS = 512  # rows held in memory before they are written

_TYPES: dict[str, tuple[pa.DataType, str]] = {
    "image_id": (pa.string(), "string"),
    "image": (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), "Image"),
    "content": (pa.string(), "string"),
    "corpus": (pa.string(), "string"),
    "distortion": (pa.string(), "string"),
    "level": (pa.int64(), "int64"),
    "severity": (pa.float64(), "float64"),
    "psnr": (pa.float64(), "float64"),
    "label": (pa.string(), "string"),
    "split": (pa.string(), "string"),
    "width": (pa.int64(), "int64"),
    "height": (pa.int64(), "int64"),
    "pixels_sha256": (pa.string(), "string"),
}
COLUMNS = tuple(_TYPES)


def schema() -> pa.Schema:
    """Return the columns' types, with the note that makes ``datasets`` decode the images."""
    features = {
        name: {"_type": "Image"} if kind == "Image" else {"dtype": kind, "_type": "Value"}
        for name, (_, kind) in _TYPES.items()
    }
    note = json.dumps({"info": {"features": features}})
    return pa.schema([(name, kind) for name, (kind, _) in _TYPES.items()], metadata={"huggingface": note})


class Writer:
    """Writes rows to one Parquet file per split, and keeps what the dataset's hash needs."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: pq.ParquetWriter(folder / f"{name}.parquet", schema()) for name in SPLITS}
        self._waiting: dict[str, list[dict[str, Any]]] = {name: [] for name in SPLITS}
        self.pixels: dict[str, str] = {}
        self.counts: dict[str, int] = dict.fromkeys(SPLITS, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for split, file in self._files.items():
            if error is None:
                self._flush(split)
            file.close()

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Take rows, in order."""
        for row in rows:
            self.pixels[row["image_id"]] = row["pixels_sha256"]
            self.counts[row["split"]] += 1
            self._waiting[row["split"]].append(row)
        for split, waiting in self._waiting.items():
            if len(waiting) >= _ROWS:
                self._flush(split)

    def _flush(self, split: str) -> None:
        self._files[split].write_table(pa.Table.from_pylist(self._waiting[split], schema()))
        self._waiting[split] = []


def dataset_hash(config: Mapping[str, Any], label_map: Mapping[str, Any], pixels: Mapping[str, str]) -> str:
    """Return the sha256 over the recipe and every picture, in hexadecimal."""
    text = json.dumps([config, label_map, sorted(pixels.items())], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
