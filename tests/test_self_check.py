"""The verdict examined on real faults: the whole self-check, which takes half an hour; and its command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.inside.plants import all_plants
from eyechart.inside.self_check import self_check
from eyechart.runs import Run
from eyechart.taxonomy import load_label_map


@pytest.mark.slow
def test_every_fault_is_named_and_none_on_the_healthy_subject(tmp_path: Path) -> None:
    told: list[str] = []
    assert self_check(tmp_path, say=told.append), told[-1]
    found = Run.open(tmp_path / "run").read_json("self_check.json")["plants"]
    plants = all_plants(load_label_map("paper8").labels)
    assert {one["plant"] for one in found} >= {plant.name for plant in plants}


def test_a_self_check_needs_no_folder_of_its_own() -> None:
    asked: list[Path] = []

    def check(out: Path, say: Callable[[str], None]) -> bool:
        asked.append(out)
        return True

    with patch("eyechart.inside.self_check.self_check", check):
        found = [
            CliRunner().invoke(build(), ["inside", "--self-check", *named]) for named in ([], ["elsewhere"])
        ]
    assert [one.exit_code for one in found] == [0, 0]
    assert asked == [Path("runs/self-check"), Path("elsewhere")]
