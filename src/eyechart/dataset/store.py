"""How a dataset lies on the disk: Parquet shards that Hugging Face ``datasets`` reads with their images.

Shards are written one after the other, each whole or not there, and a journal says how far they reach; so a
build that was killed goes on after its last finished shard.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from eyechart.corpora.photos import SetAside
from eyechart.dataset.plan import SPLITS, UNTYPED

SHARD_BYTES = 256 * 2**20  # of pictures; then a new shard begins
JOURNAL = "journal.jsonl"
_GROUP_BYTES = 16 * 2**20  # of pictures held in memory before they are written
_GROUP_ROWS = 512

_TYPES: dict[str, tuple[pa.DataType, str]] = {
    "image_id": (pa.string(), "string"),
    "image": (pa.struct([("bytes", pa.binary()), ("path", pa.string())]), "Image"),
    "content": (pa.string(), "string"),
    "corpus": (pa.string(), "string"),
    "reference": (pa.string(), "string"),
    "distortion": (pa.string(), "string"),
    "code": (pa.string(), "string"),
    "level": (pa.int64(), "int64"),
    "severity": (pa.float64(), "float64"),
    "psnr": (pa.float64(), "float64"),
    "score": (pa.float64(), "float64"),
    "score_raw": (pa.float64(), "float64"),
    "score_std": (pa.float64(), "float64"),
    "label": (pa.string(), "string"),
    "split": (pa.string(), "string"),
    "width": (pa.int64(), "int64"),
    "height": (pa.int64(), "int64"),
    "pixels_sha256": (pa.string(), "string"),
}
COLUMNS = tuple(_TYPES)
_REPEATING = ["content", "corpus", "reference", "distortion", "code", "label", "split"]
# What the dataset's hash is made of: all that a reader relies on. PSNR is left out, as its last digits are
# the processor's; width and height are in the pixels' hash.
_HASHED = [name for name in COLUMNS if name not in ("image", "psnr", "width", "height")]


def schema() -> pa.Schema:
    """Return the columns' types, with the note that makes ``datasets`` decode the images."""
    features = {
        name: {"_type": "Image"} if kind == "Image" else {"dtype": kind, "_type": "Value"}
        for name, (_, kind) in _TYPES.items()
    }
    note = json.dumps({"info": {"features": features}})
    return pa.schema([(name, kind) for name, (kind, _) in _TYPES.items()], metadata={"huggingface": note})


def shards(folder: Path, split: str) -> list[Path]:
    """Return a split's finished shards, in order."""
    return sorted(folder.glob(f"{split}-[0-9]*.parquet"))


class Writer:
    """Writes rows to shards, and finds what a killed writer has left.

    Attributes:
        jobs: how many jobs (units of work, in a fixed order) are in finished shards.
        set_aside: what these jobs have set aside.
    """

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder, self._limit = folder, shard_bytes
        self._file: pq.ParquetWriter | None = None
        self._waiting: list[dict[str, Any]] = []
        self._bytes = self._waiting_bytes = self._taken = 0
        self._aside: list[SetAside] = []
        self.jobs, self.set_aside, known = _journal(folder)
        for path in folder.glob("*.parquet"):
            if path.name not in known:
                path.unlink()  # unfinished
        self._split = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._close()
            for split in SPLITS:  # an empty split is a shard without rows
                if not shards(self._folder, split):
                    pq.write_table(schema().empty_table(), self._folder / f"{split}-00000.parquet")
        elif self._file is not None:
            self._file.close()

    def add(self, split: str, rows: Iterable[dict[str, Any]], aside: Iterable[SetAside]) -> None:
        """Take one job's result. Jobs come in order, those of a split together."""
        if split != self._split:
            self._close()
            self._split = split
        for row in rows:
            self._waiting.append(row)
            self._waiting_bytes += len(row["image"]["bytes"])
            if self._waiting_bytes >= _GROUP_BYTES or len(self._waiting) >= _GROUP_ROWS:
                self._flush()
        self._aside += aside
        self._taken += 1
        if self._bytes + self._waiting_bytes >= self._limit:
            self._close()

    def _flush(self) -> None:
        if self._file is None:
            self._file = pq.ParquetWriter(
                self._folder / "unfinished.parquet",
                schema(),
                use_dictionary=_REPEATING,
                write_statistics=[name for name in COLUMNS if name != "image"],
                compression=dict.fromkeys(_leaves(), "SNAPPY"),
            )
        self._file.write_table(pa.Table.from_pylist(self._waiting, schema()))
        self._bytes += self._waiting_bytes
        self._waiting, self._waiting_bytes = [], 0

    def _close(self) -> None:
        """Finish the shard, if anything is in it, then say so in the journal."""
        if self._waiting:
            self._flush()
        name = None
        if self._file is not None:
            self._file.close()
            name = f"{self._split}-{len(shards(self._folder, self._split)):05d}.parquet"
            (self._folder / "unfinished.parquet").replace(self._folder / name)
        if self._taken:
            self.jobs += self._taken
            self.set_aside += self._aside
            told = [[entry.item, entry.reason] for entry in self._aside]
            line = {"shard": name, "jobs": self.jobs, "set_aside": told}
            with (self._folder / JOURNAL).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        self._file, self._bytes, self._taken, self._aside = None, 0, 0, []


def _leaves() -> list[str]:
    """Return the columns that compression can make smaller: all but the pictures, which are compressed."""
    return [name for name in COLUMNS if name != "image"] + ["image.path"]


def _journal(folder: Path) -> tuple[int, list[SetAside], set[str]]:
    """Return how many jobs are done, what they set aside, and the names of their shards."""
    jobs, aside, known = 0, list[SetAside](), set[str]()
    path = folder / JOURNAL
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:  # the writer was killed in the middle of a line
        path.write_text(whole, encoding="utf-8")
    for line in whole.splitlines():
        found = json.loads(line)
        jobs, aside = found["jobs"], aside + [SetAside(*entry) for entry in found["set_aside"]]
        known |= {found["shard"]} - {None}
    return jobs, aside, known


def column(folder: Path, name: str) -> list[Any]:
    """Return one column of all finished shards."""
    found: list[Any] = []
    for split in (*SPLITS, UNTYPED):
        for path in shards(folder, split):
            found += pq.read_table(path, columns=[name]).column(name).to_pylist()
    return found


def dataset_hash(config: Mapping[str, Any], label_map: Mapping[str, Any], folder: Path) -> str:
    """Return the sha256 over the recipe and every row, whatever their order and shards, in hexadecimal."""
    rows = list(zip(*(column(folder, name) for name in _HASHED), strict=True))
    text = json.dumps([config, label_map, sorted(rows, key=lambda row: row[0])], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
