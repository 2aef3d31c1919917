"""The answers table on the disk: Parquet shards, each whole or not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyechart.runs import Run, writing

if TYPE_CHECKING:
    import pandas as pd

IMAGE_COLUMNS = ["image_id", "content", "corpus", "distortion", "level", "label"]
# The type of each column as Arrow names it. A column that a kind of row lacks is empty there.
COLUMNS = {
    **dict.fromkeys(("image_id", "content", "corpus", "distortion"), "string"),
    **{"level": "int64", "label": "string"},
    **dict.fromkeys(("arm", "template", "template_split", "kind", "language"), "string"),
    **{"order": "int64", "readout": "string", "repeat": "int64", "prompt": "string"},
    **{"text": "string", "status": "string", "predicted": "string", "position": "int64"},
    **dict.fromkeys(("logp", "logp_mean", "logp_prior", "logp_first"), "list"),
    **{"entropy": "float64", "seed": "uint64", "seconds": "float64", "correct": "bool"},
}
# Their types in pandas, where an empty column must not become one of fractions.
_PANDAS = {"string": "object", "list": "object"}
_OWN = {"position": "Int64", "seed": "UInt64"}


def folder_of(arm: str, kind: str = "answers") -> str:
    """Return the folder of an arm's answers, or of another kind of its rows, inside a run."""
    return f"arms/{arm}/{kind}"


def write_answers(run: Run, arm: str, table: pd.DataFrame, number: int = 0) -> None:
    """Write one shard of an arm's answers.

    Args:
        run: the run.
        arm: whose answers they are.
        table: rows with columns of ``COLUMNS``; those that are missing stay empty.
        number: of the shard.

    Raises:
        EyechartError: the disk is full or the folder cannot be written.
    """
    write_shard(run.path / folder_of(arm) / f"{number:05d}.parquet", table, COLUMNS)


def write_shard(path: Path, table: pd.DataFrame, columns: Mapping[str, str]) -> None:
    """Write one shard whole or not at all, with columns of the given types (see ``COLUMNS``)."""
    whole = table.reindex(columns=list(columns)).astype(_types(columns))
    with writing(path) as partial:
        whole.to_parquet(partial, index=False, schema=_schema(columns))


def finished(run: Run, arm: str, kind: str = "answers") -> set[int]:
    """Return the numbers of the shards that are there."""
    return {int(path.stem) for path in (run.path / folder_of(arm, kind)).glob("[0-9]*.parquet")}


def remove_unfinished(run: Run, arm: str, kind: str = "answers") -> None:
    """Remove what processes that were killed left half-written."""
    for path in (run.path / folder_of(arm, kind)).glob(".*.partial"):
        path.unlink()


def column(run: Run, arm: str, name: str, kind: str = "answers") -> Iterator[Any]:
    """Yield one column of an arm's answers shard by shard, as NumPy arrays."""
    import pyarrow.parquet as pq

    for path in sorted((run.path / folder_of(arm, kind)).glob("[0-9]*.parquet")):
        yield pq.read_table(path, columns=[name]).column(name).to_numpy()


def _types(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: _OWN.get(name) or _PANDAS.get(kind, kind) for name, kind in columns.items()}


def _schema(columns: Mapping[str, str]) -> Any:
    import pyarrow as pa

    kinds = {"list": pa.list_(pa.float64())}
    return pa.schema([(name, kinds.get(kind) or kind) for name, kind in columns.items()])
