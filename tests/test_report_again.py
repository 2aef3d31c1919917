"""The command on the page that makes it again works where the run's own command was given."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_fixture import make_run

from eyechart.report.again import again
from eyechart.report.inputs import read_inputs


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("eyechart study --out results/june/one", "eyechart report results/june/one"),
        ("eyechart study --out=results/one --seed 3", "eyechart report results/one"),
        ("eyechart exam nano data 'my runs/one'", "eyechart report 'my runs/one'"),
        ("eyechart study 'unclosed", "eyechart report one"),
        (None, "eyechart report one"),
    ],
)
def test_the_folder_is_the_one_that_the_command_named(tmp_path: Path, command: str | None, told: str) -> None:
    run = make_run(tmp_path / "one", arms=("base",), inside=False, contents=2)
    run.write_json({"command": command}, "provenance.json")
    assert again(read_inputs(run)) == told


def test_a_run_in_the_usual_folder_is_named_with_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "nano", arms=("base",), inside=False, contents=2)
    run.write_json({"command": "eyechart study"}, "provenance.json")
    assert again(read_inputs(run)) == "eyechart report runs/nano"
