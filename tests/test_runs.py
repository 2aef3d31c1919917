"""Run folders: whole or not at all, one configuration each, honest about where they come from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from eyechart.errors import EyechartError
from eyechart.runs import Run, flatten, provenance, writing

CONFIG = {"seed": 1, "exam": {"templates": ["a", "b"], "batch": 8}, "out": None}


def test_a_run_is_created_once_and_taken_up_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "deep" / "run", CONFIG)
    started = run.read_json("provenance.json")["started"]
    assert Run.create(run.path, CONFIG).read_json("provenance.json")["started"] == started
    assert Run.open(run.path).config == CONFIG


def test_tuples_in_a_configuration_are_lists(tmp_path: Path) -> None:
    assert flatten({"a": {"b": (1, 2)}}) == {"a.b": [1, 2]}
    Run.create(tmp_path, {"labels": ["x"]})
    Run.create(tmp_path, {"labels": ("x",)})


def test_another_configuration_is_refused_and_named(tmp_path: Path) -> None:
    Run.create(tmp_path, CONFIG)
    other = {**CONFIG, "exam": {"templates": ["a", "b"], "batch": 16}}
    with pytest.raises(EyechartError, match=r"exam\.batch \(8 -> 16\)") as caught:
        Run.create(tmp_path, other)
    assert "seed" not in str(caught.value)
    with pytest.raises(EyechartError, match=r"new \(absent -> 1\)"):
        Run.create(tmp_path, {**CONFIG, "new": 1})


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(EyechartError, match="not a run"):
        Run.create(tmp_path, CONFIG)
    with pytest.raises(EyechartError, match="not a run"):
        Run.create(tmp_path / "holiday.jpg", CONFIG)
    with pytest.raises(EyechartError, match="not a run folder"):
        Run.open(tmp_path)


def test_a_run_killed_at_its_very_start_is_taken_up(tmp_path: Path) -> None:
    (tmp_path / ".config.yaml.4711.partial").write_text("seed:")
    run = Run.create(tmp_path, CONFIG)
    assert run.config == CONFIG
    (tmp_path / "provenance.json").unlink()
    Run.create(tmp_path, CONFIG)
    assert run.has("provenance.json")


def test_arms_are_safe_names_in_the_order_of_the_study(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for name in ("zoom", "all", "vision+projector", "base"):
        assert run.arm(name).is_dir()
    assert run.arms() == ["base", "vision+projector", "all", "zoom"]
    for name in ("../up", "", "a/b", "A", ".hidden", "-x"):
        with pytest.raises(EyechartError):
            run.arm(name)


@pytest.mark.parametrize("name", ["tables/x.csv", "arms/base/x.parquet"])
def test_tables_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["x,\n", "é😀"], "c": [0.5, None]})
    run = Run(tmp_path)
    run.write_table(table, name)
    pd.testing.assert_frame_equal(run.read_table(name), table, check_dtype=False)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_json_takes_numpy_numbers_and_refuses_nan(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_json({"n": np.int64(3), "x": np.float32(0.5)}, "x.json")
    assert run.read_json("x.json") == {"n": 3, "x": 0.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_json(float("nan"), "x.json")
    assert run.read_json("x.json") == {"n": 3, "x": 0.5}


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    target.write_text("old")

    def fail() -> None:
        with writing(target) as partial:
            partial.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_told_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(EyechartError, match=r"No space left(.|\n)*free some space"):
        Run(tmp_path).write_json({}, "x.json")
    assert not list(tmp_path.iterdir())


def test_absent_and_damaged_files_are_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(EyechartError, match="not there"):
        run.read_json("proof.json")
    for name in ("a.json", "a.parquet"):
        (tmp_path / name).write_text("{")
    with pytest.raises(EyechartError, match="damaged"):
        run.read_json("a.json")
    with pytest.raises(EyechartError, match="damaged"):
        run.read_table("a.parquet")


def test_the_timer_appends_and_tells_an_interrupted_stage(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with run.timer("dataset"):
        sum(range(100_000))
    with pytest.raises(KeyboardInterrupt), run.timer("exam"):
        raise KeyboardInterrupt
    entries = run.read_json("timings.json")
    assert [(entry["stage"], entry["complete"]) for entry in entries] == [("dataset", True), ("exam", False)]
    assert all(0 <= entry["seconds"] < 5 for entry in entries)
    assert 10 < entries[0]["peak_rss_mib"] < 100_000


def test_provenance_names_versions_but_no_person_or_folder() -> None:
    found = provenance()
    packages = found["packages"]
    assert isinstance(packages, dict)
    assert packages["numpy"] == np.__version__
    text = json.dumps(found)
    assert os.path.expanduser("~") + "/" not in text  # noqa: PTH111
    assert str(Path(__file__).parent) not in text
