"""The ladder and the geometry in the report: the right sentences, warnings only where they are due."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from run_fixture import STAGES, _geometry, _stages, make_run

from eyechart.report.figures import best_arm
from eyechart.report.geometry_part import geometry_part
from eyechart.report.inputs import read_inputs
from eyechart.report.ladder_part import ladder_part
from eyechart.report.ladder_tables import said
from eyechart.report.parts import all_parts, looked_into
from eyechart.report.tables import Tables, build_tables

ARMS = ("base", "all")


def tables() -> Tables:
    rows = [
        {"arm": arm, "readout": readout, "template": "paper", "accuracy": 0.4, "low": 0.3, "high": 0.5}
        for arm in ARMS
        for readout in ("choose", "generate")
    ]
    return {
        "stages": pd.concat([_stages(arm) for arm in ARMS], ignore_index=True),
        "geometry": pd.concat([_geometry(arm) for arm in ARMS], ignore_index=True),
        "said": pd.DataFrame(rows).assign(n=400, contents=8),
    }


def test_the_ladder_tells_stages_controls_and_answers() -> None:
    part = ladder_part(tables(), ARMS, 0.125, None)
    assert part is not None
    assert part.lead == (
        "base: the label is read best at encoder 1, 86.0\u00a0% (83.0 to 89.0), then projector output "
        "71.0\u00a0% (68.0 to 74.0), then language last position 56.0\u00a0% (53.0 to 59.0); asked, the "
        "model chooses 40.0\u00a0% (30.0 to 50.0) and writes 40.0\u00a0% (30.0 to 50.0)."
    )
    assert any("20 of 20 stages" in line for line in part.also)
    assert any("random weights" in line and "encoder 1, 30.0" in line for line in part.also)
    assert part.notes == ()
    (grid,) = part.grids
    assert [name for name, _ in grid.rows][:2] == ["pixels", "encoder 1"]
    assert len(grid.rows) == 1 + len(STAGES) + 2
    assert grid.rows[1][1][0].text == "86.0\u00a0%\n83.0 to 89.0"
    assert "answer: generate" in part.figures[0].drawing


def test_controls_above_chance_and_left_out_ones_are_told() -> None:
    found = tables()
    shuffled = (found["stages"]["kind"] == "shuffled") & (found["stages"]["arm"] == "base")
    lifted = found["stages"].index[shuffled]
    one = found | {"stages": found["stages"].copy()}
    one["stages"].loc[lifted[:1], ["accuracy", "low", "high"]] += 0.1  # one of twenty is no news
    part = ladder_part(one, ARMS, 0.125, "it takes 9 GB more")
    assert part is not None
    assert part.notes == ("The control with random weights was left out: it takes 9 GB more.",)
    found["stages"].loc[lifted[:8], ["accuracy", "low", "high"]] += 0.1
    part = ladder_part(found, ARMS, 0.125, None)
    assert part is not None
    assert part.notes[0].startswith("Beware: 8 of 20 probes of base")


def test_the_answers_are_those_to_the_probed_images() -> None:
    answers = pd.DataFrame({
        "arm": "base", "image_id": [f"i{k}" for k in range(8)] * 2, "content": list("aabbccdd") * 2,
        "readout": "choose", "template": ["held"] * 8 + ["first"] * 8,
        "correct": [False] * 8 + [True, False] * 4,
        "template_split": ["held-out"] * 8 + ["train"] * 8,
    })  # fmt: skip
    probes = pd.DataFrame({"arm": "base", "image_id": ["i0", "i2", "i3", "i3"]})
    found = said(probes, answers, {})
    assert found[["template", "accuracy", "n", "contents"]].to_numpy().tolist() == [["first", 2 / 3, 3, 2]]
    assert said(probes, answers, {"base": "held"})["accuracy"].tolist() == [0.0]
    probed, answered = (pd.concat([one, one.assign(arm="all")]) for one in (probes, answers))
    assert said(probed, answered, {"base": "held", "all": None})["template"].tolist() == ["held", "first"]


def test_the_geometry_tells_the_largest_step_and_what_tuning_moved() -> None:
    part = geometry_part(tables(), ARMS)
    assert part is not None
    assert part.lead.startswith("base: of all steps, the one from language 30 to language last position")
    assert part.also[0].startswith(
        "all: tuning moved language last position most: CKA with itself before 0.53"
    )
    assert len(part.figures) == 2
    alone = geometry_part({"geometry": _geometry("base")}, ("base",))
    assert alone is not None
    assert len(alone.figures) == 1
    few = _geometry("base").assign(value=np.nan, low=np.nan, high=np.nan)
    bare = geometry_part({"geometry": few[few["measure"] == "cka"]}, ("base",))
    assert bare is not None
    assert bare.lead == "base: too few images to compare the stages."


def test_nothing_is_shown_where_nothing_was_measured() -> None:
    assert ladder_part({}, ARMS, 0.125, None) is None
    assert geometry_part({}, ARMS) is None


def test_the_arm_that_was_looked_into_is_shown_where_another_one_is_the_best(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector", "all"), contents=4)
    for name in ("stages", "verdict", "probes", "geometry"):
        (run.arm("all") / f"{name}.parquet").unlink()
    look = {"settings": {"template": "plain"}}
    run.write_json(look, "arms/projector/inside.json")
    inputs = read_inputs(run)
    found = build_tables(inputs)
    assert best_arm(found) == "all"
    parts = all_parts(inputs, found)
    for name in ("where", "ladder"):
        assert parts[name].lead.startswith("base: ")
        assert parts[name].also[0].startswith("projector: ")
    assert any(line.startswith("all: ") for line in parts["distance"].also)
    asked = found["said"].drop_duplicates("arm").set_index("arm")["template"]
    assert asked.to_dict() == {"base": "paper", "projector": "plain"}
    assert looked_into(found | {"arms": found["arms"].iloc[:0]}, "stages") == ("base", "projector")
