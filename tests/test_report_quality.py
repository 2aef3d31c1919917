"""The report's section on quality scores, and the fourth answer of its first screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import score_fixture as world
from run_fixture import make_run

from eyechart.quality.tables import score_tables
from eyechart.report import build_report
from eyechart.report.page import Section
from eyechart.report.quality_part import quality
from eyechart.report.render import environment
from eyechart.report.tables import Tables
from eyechart.report.trust import scores_trusted

ARMS = ("base", "vision")
TEMPLATES = ("one", "two", "three")
BLUR = {"blur": 0.35}


def tables(kind: str = "opinion", noise: float = 0.05, sign: int = 1, bias: bool = False) -> Tables:
    """Return the tables of an untuned arm, and of one that is free of noise."""
    wanted = world.targets(contents=20, kind=kind)
    own = BLUR if bias else None
    base = world.scores(wanted, templates=TEMPLATES, noise=noise, bias=own)
    base["score"] = sign * base["score"]
    tuned = world.scores(wanted, arms=("vision",), templates=TEMPLATES, noise=0.01)
    calls = wanted["label"]
    answers = pd.concat([world.answers(wanted, calls, arm) for arm in ARMS])
    found = score_tables(pd.concat([base, tuned]), wanted, answers)
    shares = {f"train_{readout}": [0.1, 0.8] for readout in ("choose", "generate", "yes-no")}
    return found | {"arms": pd.DataFrame({"arm": ARMS, **shares})}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ({}, "They follow quality; no fault found"),
        ({"kind": "stand-in"}, "They follow a stand-in for quality; no fault found"),
        ({"sign": -1}, "No, they run against quality"),
        ({"noise": 20.0}, "Cannot tell that they follow quality"),
        ({"bias": True}, "In part: they follow quality, but are biased by distortion"),
        ({"noise": 0.4}, "In part: they follow quality, but are dependent on the wording"),
    ],
)
def test_the_verdict_follows_from_the_intervals(given: dict[str, object], verdict: str) -> None:
    told, reasons = scores_trusted(tables(**given))  # type: ignore[arg-type]
    assert told.startswith(verdict)
    assert any("After tuning vision" in reason for reason in reasons)
    stands_in = any("full-reference stand-in (SSIM" in reason for reason in reasons)
    assert stands_in == (given.get("kind") == "stand-in")


def test_a_bias_against_the_stand_in_is_told_and_not_held_against_the_subject() -> None:
    told, reasons = scores_trusted(tables("stand-in", bias=True))
    assert "biased" not in told
    assert any("whose own bias by distortion is in this" in reason for reason in reasons)


def rescored(wanted: pd.DataFrame, scored: pd.DataFrame) -> Tables:
    """Return the tables of one untuned arm."""
    shares = {f"train_{readout}": [0.1] for readout in ("choose", "generate", "yes-no")}
    return score_tables(scored, wanted) | {"arms": pd.DataFrame({"arm": ["base"], **shares})}


def test_a_bias_against_the_stand_in_of_other_images_is_no_bias_against_opinion() -> None:
    wanted = world.targets(contents=20)
    made = wanted.index % 16 >= 12
    wanted.loc[~made, "corpus"], wanted.loc[made, "target_kind"] = "kadid10k", "stand-in"
    scored = world.scores(wanted)
    scored.loc[
        scored["image_id"].isin(wanted.loc[made & (wanted["label"] == "blur"), "image_id"]), "score"
    ] += 0.3
    found = rescored(wanted, scored)
    table = found["score_bias"]
    assert (table.loc[table["target_kind"] == "stand-in", "p_holm"] < 0.05).any()
    told, reasons = scores_trusted(found)
    assert told == "They follow quality; no fault found"
    assert "No bias by distortion beyond doubt, of 4 kinds." in reasons


def test_too_few_contents_for_any_bias_are_said_to_be_too_few() -> None:
    wanted = world.targets(contents=4, images=20)
    _, reasons = scores_trusted(rescored(wanted, world.scores(wanted, bias=BLUR, noise=0.05)))
    assert "Too few contents to tell a bias by distortion: at most 4." in reasons


def test_two_scored_corpora_are_reported(tmp_path: Path) -> None:
    run = make_run(tmp_path, ("base",), inside=False, contents=3)
    world.add_scores(run, kind="opinion")
    wanted = run.read_table("targets.parquet")
    wanted["corpus"] = ["live" if i % 3 else "kadid10k" for i in range(len(wanted))]
    run.write_table(wanted, "targets.parquet")
    page = build_report(run.path).read_text(encoding="utf-8")
    assert "against opinion scores (live, " in page
    assert "all corpora" in page


def test_images_without_any_score_are_reported() -> None:
    wanted = world.targets()
    found = rescored(wanted, world.scores(wanted).assign(score=np.nan))
    assert scores_trusted(found)[0].startswith("Cannot tell")
    part = quality(found, ("base",))
    assert part is not None
    assert "images got no score" in part.lead


def test_nothing_asked_is_said_with_the_command() -> None:
    told, reasons = scores_trusted({})
    assert told == "Not examined in this run"
    assert "eyechart score" in reasons[0]
    assert quality({}, ARMS) is None


def test_the_section_shows_figures_and_names_the_stand_in() -> None:
    part = quality(tables("stand-in"), ARMS)
    assert part is not None
    page = environment().get_template("part.html.j2").render(section=Section("quality", "Q", part=part))
    assert page.count("<svg") == 3
    assert "This dataset has no opinion scores" in page
    assert "stand-in (SSIM), not opinion" in part.figures[0].caption
    assert "NaN" not in page
    assert " nan" not in page
    of_opinion = quality(tables(), ARMS)
    assert of_opinion is not None
    assert of_opinion.notes == ()
    assert "stand-in" not in of_opinion.figures[0].caption
