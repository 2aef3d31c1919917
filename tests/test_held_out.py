"""Whichever templates are asked, a report comes of it: also where none of them is a train wording."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from run_fixture import make_run

from eyechart.exam.shards import write_answers
from eyechart.measures.accuracy import by_level
from eyechart.report import build_report
from eyechart.report.tables import main_rows
from eyechart.runs import Run
from eyechart.templates import load_templates, set_names

NOT_TRAIN = "No train wording was asked: all this is of the held-out ones."


def asked(path: Path, wanted: str, arms: tuple[str, ...] = ("base",)) -> Run:
    """Return a run whose arms were asked the templates that ``wanted`` names."""
    run = make_run(path, arms, inside=False, contents=4)
    for arm in arms:
        kept = run.read_table(f"arms/{arm}/answers")
        one = kept[kept["template"] == kept["template"].iloc[0]]
        parts = [
            one.assign(
                template=template.id,
                template_split=template.split,
                kind=template.kind,
                language=template.language,
            )
            for template in load_templates(wanted)
            if template.kind != "yes-no"
        ]
        write_answers(run, arm, pd.concat(parts[:3], ignore_index=True))
    return run


@pytest.mark.parametrize("wanted", [*set_names(), "q-bench-letters"])
def test_every_set_alone_gives_a_report(wanted: str, tmp_path: Path) -> None:
    run = asked(tmp_path / "run", wanted)
    train = "train" in set(run.read_table("arms/base/answers")["template_split"])
    page = build_report(run.path).read_text(encoding="utf-8")
    assert (NOT_TRAIN in page) != train
    assert ("Held-out wordings: no train wording was asked." in page) != train
    assert len(run.read_table("tables/levels.csv"))
    assert len(run.read_table("tables/confusion.csv"))
    assert len(run.read_table("tables/versus_pixels.csv"))


def test_repairs_are_judged_by_held_out_wordings_where_there_are_no_others(tmp_path: Path) -> None:
    run = asked(tmp_path / "run", "q-bench", ("base", "all"))
    page = build_report(run.path).read_text(encoding="utf-8")
    assert run.read_table("tables/repairs.csv")["template_split"].tolist() == ["held-out"]
    assert "balanced accuracy on the held-out template" in page


def test_train_wordings_alone_are_the_main_ones_where_there_are_any(tmp_path: Path) -> None:
    answers = make_run(tmp_path / "run", ("base",), inside=False).read_table("arms/base/answers")
    assert set(main_rows(answers)["template_split"]) == {"train"}
    assert by_level(answers.iloc[:0]).empty
