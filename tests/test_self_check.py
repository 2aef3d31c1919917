"""The verdict examined on real faults: the whole self-check, which takes half an hour."""

from __future__ import annotations

from pathlib import Path

import pytest

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
