"""``eyechart compare``: runs on the same images, against scikit-learn and planted differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from answers import ABC, answers
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.compare import COLUMNS, compare_runs
from eyechart.errors import EyechartError
from eyechart.exam.shards import write_answers
from eyechart.measures.statistics import holm
from eyechart.runs import Run

LABEL = list(np.random.default_rng(0).choice(ABC, 240))
CONTENT = [f"content {i // 10:02d}" for i in range(240)]


def run(
    path: Path,
    skill: float,
    *,
    seed: int = 1,
    digest: str = "one",
    templates: tuple[str, ...] = ("t1", "t2"),
    arms: tuple[str, ...] = ("base",),
    wordings: dict[str, str] | None = None,
) -> Path:
    """Write a run whose subject is right with probability ``skill`` on label "a", else with one half."""
    made = Run.create(path, {"subject": path.name, "wordings": wordings or {}})
    made.write_json({"hash": digest, "label_map": {"labels": list(ABC)}}, "dataset.json")
    generator = np.random.default_rng(seed)
    for arm in arms:
        parts = []
        for template in templates:
            for readout in ("choose", "generate"):
                chance = np.where(np.array(LABEL) == "a", skill, 0.5)
                hit = generator.random(240) < chance
                named = [name if ok else None for name, ok in zip(LABEL, hit, strict=True)]
                asked = {"content": CONTENT, "readout": readout, "template": template, "arm": arm}
                parts.append(answers(LABEL, named, **asked))  # type: ignore[arg-type]
        table = pd.concat([*parts, parts[-1].assign(repeat=1, predicted=None)])
        half = len(table) // 2
        write_answers(made, arm, table.iloc[:half], 0)
        write_answers(made, arm, table.iloc[half:], 1)
    return path


def test_a_planted_difference_is_found_where_it_is(tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score

    folders = [run(tmp_path / "one", 0.2), run(tmp_path / "two", 0.9, seed=2)]
    found = compare_runs(folders)
    assert list(found.columns) == COLUMNS
    assert len(found) == 4 * (1 + 3)
    tables = [Run.open(folder).read_table("arms/base/answers") for folder in folders]
    first = found[(found["template"] == "t1") & (found["readout"] == "choose")].set_index("label")
    for table, column in zip(tables, ("reference_accuracy", "accuracy"), strict=True):
        mine = table[(table["template"] == "t1") & (table["readout"] == "choose")]
        named = mine["predicted"].fillna("none")
        assert first.loc["all"][column] == pytest.approx(accuracy_score(mine["label"], named))
    overall, single = found[found["label"] == "all"], found[found["label"] != "all"]
    assert (overall["p_holm"] < 0.05).all()
    assert overall["p_holm"].to_numpy() == pytest.approx(holm(overall["p"]))
    for _, family in single.groupby(["template", "readout"]):  # those of each question are a family
        assert family["p_holm"].to_numpy() == pytest.approx(holm(family["p"]))
    assert (single.loc[single["label"] == "a", "p_holm"] < 0.05).all()
    assert (single.loc[single["label"] != "a", "p_holm"] > 0.05).all()
    assert single["balanced_p"].isna().all()


def test_equal_runs_do_not_differ_and_three_are_compared_with_the_first(tmp_path: Path) -> None:
    folders = [run(tmp_path / name, 0.5, seed=seed) for seed, name in enumerate(("one", "two", "three"))]
    found = compare_runs(folders)
    assert set(found["run"]) == {"two", "three"}
    assert set(found["reference"]) == {"one"}
    assert (found["p_holm"] > 0.05).all()


def test_only_what_both_have_is_compared(tmp_path: Path) -> None:
    first = run(tmp_path / "one", 0.5, templates=("t1", "t2"), arms=("base", "all"))
    found = compare_runs([first, run(tmp_path / "two", 0.5, templates=("t2", "t3"))])
    assert set(found["template"]) == {"t2"}
    assert set(found["examined"]) == {"base"}
    with pytest.raises(EyechartError, match="no arm, template and readout"):
        compare_runs([first, run(tmp_path / "three", 0.5, templates=("t3",))])


def test_runs_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    one = run(tmp_path / "one", 0.5, wordings={"t1": "Which?"})
    with pytest.raises(EyechartError, match=r"different datasets: one of one, two of other"):
        compare_runs([one, run(tmp_path / "two", 0.5, digest="other")])
    with pytest.raises(EyechartError, match="t1 is worded otherwise"):
        compare_runs([one, run(tmp_path / "three", 0.5, wordings={"t1": "What?", "t2": "Eh?"})])
    with pytest.raises(EyechartError, match="one run"):
        compare_runs([one])
    with pytest.raises(EyechartError, match="named twice"):
        compare_runs([one, tmp_path / "." / "one"])
    with pytest.raises(EyechartError, match="no answers yet"):
        compare_runs([one, run(tmp_path / "four", 0.5, arms=())])
    with pytest.raises(EyechartError, match="not a run folder"):
        compare_runs([one, tmp_path])


def test_runs_of_one_name_are_told_by_their_paths(tmp_path: Path) -> None:
    for side in ("x", "y"):
        (tmp_path / side).mkdir()
    folders = [run(tmp_path / side / "run", 0.5, seed=i) for i, side in enumerate("xy")]
    assert set(compare_runs(folders)["run"]) == {str(folders[1])}


def test_the_command_shows_a_table_and_writes_it(tmp_path: Path) -> None:
    folders = [str(run(tmp_path / "one", 0.2)), str(run(tmp_path / "two", 0.9, seed=2))]
    csv = tmp_path / "tables" / "found.csv"
    shown = CliRunner().invoke(build(), ["compare", *folders, "--csv", str(csv)])
    assert shown.exit_code == 0, shown.output
    assert "two minus one" in shown.output
    assert "Labels that differ (4 of 12 comparisons)" in shown.output
    assert "too few" not in shown.output
    assert max(map(len, shown.output.replace(str(tmp_path), "").splitlines())) <= 80
    assert (tmp_path / "two" / "compare-one.html").is_file()
    assert len(pd.read_csv(csv)) == 16
    refused = CliRunner().invoke(build(), ["compare", folders[0]])
    assert refused.exit_code == 2
    assert "two run folders" in refused.output
