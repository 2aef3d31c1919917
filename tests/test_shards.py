"""The answers table on the disk: typed alike in every shard, whole or not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eyechart.errors import EyechartError
from eyechart.exam.shards import COLUMNS, column, finished, remove_unfinished, write_answers
from eyechart.runs import Run

IMAGE = {"image_id": "a", "content": "a", "corpus": "photos", "distortion": "x", "level": 1, "label": "blur"}
COMMON = {"arm": "base", "template": "t", "template_split": "train", "kind": "open word", "language": "en"}
ROW = {
    **IMAGE,
    **COMMON,
    "order": 0,
    "repeat": 0,
    "prompt": "0",
    "text": "",
    "status": "label",
    "seconds": 0.5,
}
TEXT = {**ROW, "readout": "generate", "predicted": None, "entropy": 1.5, "seed": 2**64 - 1, "correct": False}
CHOICE = {**ROW, "readout": "choose", "predicted": "blur", "position": 3, "logp": np.array([-1.0, -np.inf])}


def test_shards_of_different_rows_are_one_table(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_answers(run, "base", pd.DataFrame([{**CHOICE, "correct": True}]), 1)
    write_answers(run, "base", pd.DataFrame([TEXT]), 0)
    found = run.read_table("arms/base/answers")
    assert list(found) == list(COLUMNS)
    assert found["readout"].tolist() == ["generate", "choose"]
    assert found["seed"].tolist() == [2**64 - 1, pd.NA]
    assert found["position"].tolist() == [pd.NA, 3]
    assert found["predicted"].isna().tolist() == [True, False]
    assert found["logp"][0] is None
    assert found["logp"][1].tolist() == [-1.0, -np.inf]
    assert found["correct"].dtype == bool
    assert found["level"].dtype == np.int64
    assert sum(part.sum() for part in column(run, "base", "seconds")) == 1.0


def test_what_is_half_written_does_not_count(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_answers(run, "base", pd.DataFrame([TEXT]), 4)
    left = tmp_path / "arms/base/answers/.00005.parquet.123.partial"
    left.write_bytes(b"PAR1 half")
    assert finished(run, "base") == {4}
    assert len(run.read_table("arms/base/answers")) == 1
    remove_unfinished(run, "base")
    assert [path.name for path in left.parent.iterdir()] == ["00004.parquet"]


def test_a_damaged_shard_is_told(tmp_path: Path) -> None:
    run = Run(tmp_path)
    write_answers(run, "base", pd.DataFrame([TEXT]), 0)
    (tmp_path / "arms/base/answers/00001.parquet").write_bytes(b"nothing")
    with pytest.raises(EyechartError, match=r"00001\.parquet is damaged"):
        run.read_table("arms/base/answers")


def test_an_empty_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "arms/base/answers").mkdir(parents=True)
    with pytest.raises(EyechartError, match="holds no table"):
        Run(tmp_path).read_table("arms/base/answers")
