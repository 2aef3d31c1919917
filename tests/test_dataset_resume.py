"""A build that is killed goes on where it was, to the same dataset; memory stays bounded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_corpora as small

from eyechart.dataset import Dataset, DatasetConfig, build_dataset, load_dataset
from eyechart.dataset.ahead import ahead
from eyechart.dataset.store import JOURNAL, Writer, shards
from eyechart.dataset.take import Batch, take
from eyechart.errors import EyechartError

SHARD = 150_000  # bytes; several shards even of few pictures
SLOW = """
import sys, time
from pathlib import Path
from eyechart.dataset import DatasetConfig, build, build_dataset
take = build.take
def slowly(batch, config):
    time.sleep(0.15)
    return take(batch, config)
build.take = slowly
corpora = [{"name": "kadid10k", "path": sys.argv[1], "partial": True}]
config = DatasetConfig.of(name="mixed", corpora=corpora)
build_dataset(config, Path(sys.argv[2]), workers=1, shard_bytes=150_000)
"""


@pytest.fixture(scope="module")
def kadid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.kadid10k(tmp_path_factory.mktemp("kadid10k"), references=16)


def built(kadid: Path, out: Path, **given: Any) -> Dataset:
    corpora = [{"name": "kadid10k", "path": kadid, "partial": True}]
    return build_dataset(
        DatasetConfig.of(name="mixed", corpora=corpora), out, **{"shard_bytes": SHARD, **given}
    )


def rows(dataset: Dataset) -> pd.DataFrame:
    return pd.concat([dataset.table(split) for split in ("train", "validation", "test")])


def test_a_killed_build_goes_on_to_the_same_dataset(
    kadid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = built(kadid, tmp_path / "whole")
    command = [sys.executable, "-c", SLOW, str(kadid), str(tmp_path / "killed")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        unfinished = wait_for_shards(tmp_path / "killed", 2, process)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(EyechartError, match="is not a dataset"):
        load_dataset(unfinished)
    done = json.loads((unfinished / JOURNAL).read_text().splitlines()[-1])["jobs"]
    (unfinished / "train-00099.parquet").write_bytes(b"PAR1 renamed, but not yet in the journal")
    taken: list[Batch] = []

    def counting(batch: Batch, config: DatasetConfig) -> Any:
        taken.append(batch)
        return take(batch, config)

    monkeypatch.setattr("eyechart.dataset.build.take", counting)
    again = built(kadid, tmp_path / "killed", workers=2)
    assert 0 < len(taken) == 16 - done  # nothing that was finished is done again
    assert again.hash == whole.hash
    pd.testing.assert_frame_equal(rows(again), rows(whole))
    assert again.record()["shards"] == whole.record()["shards"]
    assert again.record()["set_aside"] == whole.record()["set_aside"]
    assert sorted(path.name for path in again.path.iterdir()) == sorted(
        path.name for path in whole.path.iterdir()
    )
    assert [path.name for path in (tmp_path / "killed").iterdir()] == [again.path.name]


def wait_for_shards(folder: Path, number: int, process: subprocess.Popen[bytes]) -> Path:
    """Return the hidden folder of a build once it has that many finished shards."""
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        for unfinished in folder.glob(".mixed-*"):
            journal = unfinished / JOURNAL
            if journal.is_file() and len(journal.read_text().splitlines()) >= number:
                return unfinished
        time.sleep(0.02)
    raise AssertionError("the build finished or stood still before it could be killed")


def test_a_failed_build_keeps_what_it_has_and_a_broken_journal_line_is_forgotten(
    kadid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [0]

    def failing(batch: Any, config: Any) -> Any:
        calls[0] += 1
        if calls[0] > 9:
            raise OSError(28, "No space left on device")
        return take(batch, config)

    monkeypatch.setattr("eyechart.dataset.build.take", failing)
    with pytest.raises(EyechartError, match="No space left"):
        built(kadid, tmp_path, workers=1)
    unfinished = next(tmp_path.glob(".mixed-*"))
    assert shards(unfinished, "train")
    with (unfinished / JOURNAL).open("a") as journal:
        journal.write('{"shard": "train-000')
    monkeypatch.undo()
    assert built(kadid, tmp_path).hash == built(kadid, tmp_path / "whole").hash


def test_two_processes_do_not_build_one_dataset_at_once(kadid: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(kadid), str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for_shards(tmp_path, 1, process)
        with pytest.raises(EyechartError, match="another process is building"):
            built(kadid, tmp_path)
    finally:
        process.kill()
        process.wait()


def test_a_lost_shard_is_told(kadid: Path, tmp_path: Path) -> None:
    dataset = built(kadid, tmp_path)
    (dataset.path / "train-00001.parquet").unlink()
    with pytest.raises(EyechartError, match=r"lacks train-00001\.parquet"):
        load_dataset(dataset.path)


def test_few_items_are_begun_before_their_turn() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def work(item: int) -> int:
        with lock:
            begun.append(item)
        return -item

    results = ahead(work, range(100), workers=3)
    assert [next(results) for _ in range(5)] == [0, -1, -2, -3, -4]
    time.sleep(0.05)
    assert len(begun) <= 5 + 2 * 3
    assert list(results) == [-item for item in range(5, 100)]


def test_an_error_comes_out_and_ends_the_work() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda item: 1 // item, [2, 1, 0, 3], workers=2))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads Linux' count of memory")
def test_writing_holds_few_pictures_in_memory(tmp_path: Path) -> None:
    before = resident()
    most = 0
    with Writer(tmp_path, shard_bytes=60_000_000) as writer:
        for number in range(300):  # 177 MB in all
            writer.add("train", [row(number)], [])
            most = max(most, resident())
    assert len(shards(tmp_path, "train")) == 3
    assert most - before < 100_000_000


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def row(number: int) -> dict[str, Any]:
    data = np.random.default_rng(number).bytes(590_000)
    text = dict.fromkeys(("content", "corpus", "reference", "distortion", "code", "label"), "x")
    numbers = dict.fromkeys(("severity", "psnr", "score", "score_raw", "score_std"), 0.0)
    image_id = str(number)
    return {
        "image_id": image_id,
        "image": {"bytes": data, "path": f"{image_id}.png"},
        "level": 1,
        "split": "train",
        "width": 512,
        "height": 384,
        "pixels_sha256": image_id,
        **text,
        **numbers,
    }
