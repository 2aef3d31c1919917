"""What was made of a picture, one line per version beside it, and the table of all lines.

The lines of a picture are written by the one worker that makes its versions, each after its file has been
renamed into place. So whatever is recorded is whole, and a killed job goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from eyechart.errors import EyechartError
from eyechart.runs import writing

Row = dict[str, Any]

_NAME = "made.jsonl"
_ROWS = 1024  # rows held in memory before they are written

SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("distortion", pa.string()),
        ("level", pa.int64()),
        ("severity", pa.float64()),
        ("psnr", pa.float64()),
        ("distortions", pa.list_(pa.string())),
        ("families", pa.list_(pa.string())),
        ("corpora", pa.list_(pa.string())),
        ("levels", pa.list_(pa.int64())),
        ("severities", pa.list_(pa.float64())),
        ("parameters", pa.list_(pa.string())),
        ("units", pa.list_(pa.string())),
        ("directions", pa.list_(pa.int64())),
        ("strengths", pa.list_(pa.float64())),
        ("redraws", pa.int64()),
        ("seed", pa.int64()),
        ("stretch", pa.bool_()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("bytes", pa.int64()),
        ("pixels_sha256", pa.string()),
        ("source_sha256", pa.string()),
        ("eyechart", pa.string()),
        ("libraries", pa.string()),
    ]
)


class Records:
    """The records of one picture's versions."""

    def __init__(self, out: Path, source: str, source_sha256: str) -> None:
        """Take up the records that still hold: of the same source, their files there in full.

        What was made of an earlier state of the source is removed.
        """
        self._out, self._path, self._sha256 = out, out / source / _NAME, source_sha256
        before = _read(self._path)
        self._rows = {row["image_id"]: row for row in before if self._holds(row)}
        for row in before:
            if row["image_id"] not in self._rows:
                (out / row["file"]).unlink(missing_ok=True)
        if self._path.is_file():  # also rids it of half a line, after which nothing could be appended
            with writing(self._path) as partial:
                partial.write_text("".join(map(_line, self._rows.values())), encoding="utf-8")

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._rows

    def add(self, row: Row) -> None:
        """Record a version whose file is in its place."""
        row = {**row, "source_sha256": self._sha256}
        try:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(_line(row))
        except OSError as error:
            raise EyechartError(
                f"cannot write {self._path}: {error.strerror or error}",
                "free some space or mend the permissions, then run the same command again; it resumes",
            ) from error
        self._rows[row["image_id"]] = row

    def _holds(self, row: Row) -> bool:
        file = self._out / str(row["file"])
        size = file.stat().st_size if file.is_file() else None
        return bool(row["source_sha256"] == self._sha256 and row["bytes"] == size)


def write_manifest(out: Path) -> Path:
    """Write ``manifest.parquet``, a row for every picture recorded below ``out``, sorted."""
    with writing(out / "manifest.parquet") as partial, pq.ParquetWriter(partial, SCHEMA) as file:
        for rows in _batches(out):
            file.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return out / "manifest.parquet"


def _batches(out: Path) -> Iterator[list[Row]]:
    waiting: list[Row] = []
    for path in sorted(out.rglob(_NAME)):
        waiting += sorted(_read(path), key=lambda row: str(row["image_id"]))
        if len(waiting) >= _ROWS:
            yield waiting
            waiting = []
    yield waiting


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _read(path: Path) -> list[Row]:
    """Return the whole lines of a file; the last one of a killed job may be half there."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_bytes().split(b"\n"):
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows
