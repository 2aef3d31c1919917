"""The sections on how answers depend on the way of asking: where their data are, with the right numbers."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from asked_fixture import TEMPLATES, make_asked_run
from run_fixture import HOSTILE, LABELS, make_run
from scipy.stats import entropy
from test_report import browser, opened  # noqa: F401  the fixture is used by name
from test_report_endpoint import Page

from eyechart.exam.shards import write_answers
from eyechart.measures.sampling import OFF
from eyechart.report import build_report
from eyechart.report.inputs import read_inputs
from eyechart.report.part import Part
from eyechart.report.parts import TITLES, all_parts
from eyechart.report.tables import build_tables
from eyechart.runs import Run

# Sections on scores and on what happens inside the model, of which these runs have nothing.
ELSEWHERE = {"quality", "distance", "maps", "lens", "where", "ladder", "geometry", "patching", "swap"}
KEPT = {"wordings", "choosing", "calibration"}  # of a run with one order and no samples


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report of a run in which everything was asked."""
    return build_report(make_asked_run(tmp_path_factory.mktemp("asked") / "run").path)


@pytest.fixture(scope="module")
def parts(page: Path) -> dict[str, Part]:
    """Return the sections of that report."""
    return parts_of(Run(page.parent))


def parts_of(run: Run) -> dict[str, Part]:
    """Return the sections of a run's report."""
    inputs = read_inputs(run)
    return all_parts(inputs, build_tables(inputs))


def table_of(page: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(page.parent / "tables" / f"{name}.csv")


def test_every_section_is_there_with_one_sentence_first(browser: Any, page: Path) -> None:  # noqa: F811
    leads = """return Object.fromEntries([...document.querySelectorAll('section > .lead')].map(
        one => [one.parentElement.id, one.textContent]))"""
    found = opened(browser, page).execute_script(leads)
    assert set(found) == set(TITLES) - ELSEWHERE
    assert all(40 < len(sentence) < 320 and sentence.endswith(".") for sentence in found.values())
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.querySelectorAll('[onerror]').length") == 0
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("width", [400, 800, 1200])
def test_no_screen_scrolls_sideways(browser: Any, page: Path, width: int) -> None:  # noqa: F811
    opened(browser, page, width)
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    small = """return Math.min(...[...document.querySelectorAll('figure svg text')].map(
        one => one.getBoundingClientRect().height))"""
    assert browser.execute_script(small) >= 8  # of a text in a figure, in pixels


def test_the_page_stays_fast(browser: Any, page: Path) -> None:  # noqa: F811
    began = time.perf_counter()
    opened(browser, page)
    assert time.perf_counter() - began < 2
    assert page.stat().st_size < 3e6


@pytest.mark.parametrize("name", [name for name, *_ in TEMPLATES])
def test_hostile_names_stay_text(page: Path, name: str) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    assert name in parsed.text
    assert parsed.tags.count("script") == 1  # its own
    assert "onerror" not in parsed.attributes


def test_a_run_with_one_order_and_no_samples_has_no_sections_on_them(tmp_path: Path) -> None:
    assert set(parts_of(make_run(tmp_path / "run", arms=("base",), inside=False, contents=3))) == KEPT


def test_wordings_that_change_answers_are_counted(page: Path) -> None:
    answers = Run(page.parent).read_table("arms/base/answers")
    mine = answers[(answers["readout"] == "choose") & (answers["kind"] == "open word")]
    mine = mine[mine["language"] == "en"]
    changed = (mine.groupby("image_id")["predicted"].nunique() > 1).mean()
    text = Page(page.read_text(encoding="utf-8")).text
    assert f"2 wordings (open word, en) change the answer to {100 * changed:.1f} %" in text


def test_overfitting_is_told_of_the_arm_that_has_it(page: Path, parts: dict[str, Part]) -> None:
    told = [sentence for sentence in parts["wordings"].also if "overfitted" in sentence]
    gaps = table_of(page, "gap_of_gaps")
    assert len(told) == ((gaps["p_holm"] < 0.05) & (gaps["low"] > 0)).sum() > 0
    assert all(sentence.startswith("projector") for sentence in told)


def test_the_preferred_place_is_the_first(page: Path, parts: dict[str, Part]) -> None:
    answers = Run(page.parent).read_table("arms/base/answers")
    mine = answers[(answers["template"] == "list-choose") & (answers["readout"] == "choose")]
    share = (mine["position"] == 0).mean()
    told = f"most of all place 1: {100 * share:.1f}\u00a0%"
    assert told in parts["order"].lead
    places = table_of(page, "positions").query("arm == 'base' and template == 'list-choose'")
    places = places[places["readout"] == "choose"]
    order = table_of(page, "option_order").query("arm == 'base' and template == 'list-choose'")
    expected = entropy(places["share"], [1 / len(LABELS)] * len(LABELS))
    assert order[order["readout"] == "choose"]["kl"].item() == pytest.approx(expected)


def test_no_place_is_preferred_where_the_order_changes_nothing(tmp_path: Path) -> None:
    run = make_asked_run(tmp_path / "run", only=("list-choose",), contents=3)
    for arm in ("base", "projector"):
        table = run.read_table(f"arms/{arm}/answers")
        first = table[table["order"] == 0].set_index(["image_id", "template", "readout", "repeat"])
        keys = pd.MultiIndex.from_frame(table[["image_id", "template", "readout", "repeat"]])
        for name in ("predicted", "logp"):
            table[name] = first[name].reindex(keys).to_numpy()
        place = table["predicted"].map({label: i for i, label in enumerate(LABELS)})
        table["position"] = ((place + table["order"]) % len(LABELS)).where(table["position"].notna())
        write_answers(run, arm, table)
    lead = parts_of(run)["order"].lead
    assert "change the answer to 0.0\u00a0%" in lead
    assert "cannot tell" in lead


def test_repeats_are_checked_before_they_are_measured(
    tmp_path: Path, page: Path, parts: dict[str, Part]
) -> None:
    off = parts_of(make_asked_run(tmp_path / "off", only=("main-distortion",), sampled=False, contents=3))[
        "repeats"
    ]
    assert "nothing was sampled" in off.lead
    (note,) = off.notes
    assert note.startswith("Not sampled: base, main-distortion; projector, main-distortion. Every")
    on = parts["repeats"]
    assert on.notes == ()
    assert OFF not in set(table_of(page, "sampling")["sampling"])
    assert "5 sampled answers" in on.lead


def test_a_biased_calibration_error_is_told(page: Path, tmp_path: Path, parts: dict[str, Part]) -> None:
    part = parts_of(make_asked_run(tmp_path / "few", only=("zh-open",), contents=3))["calibration"]
    assert any("ECE is biased upwards here: with 72 images" in note for note in part.notes)
    row = table_of(page, "calibration").iloc[0]
    assert f"{100 * row['ece']:.1f}\u00a0%" in parts["calibration"].lead


def test_answers_that_never_vary_are_no_perception(page: Path, parts: dict[str, Part]) -> None:
    part = parts["yes-no"]
    detection = table_of(page, "detection").query("arm == 'base' and label == 'clean'")
    assert detection["d_prime"].isna().all()
    told = re.search("tells (.*) from the others", part.lead)
    assert told
    assert not {"clean", "blur"} & set(told[1].split(", "))
    (note,) = part.notes
    assert "base always says yes, asked about blur; base always says no, asked about clean" in note


def test_a_refused_way_of_asking_is_told(page: Path) -> None:
    text = Page(page.read_text(encoding="utf-8")).text
    assert f"(shared): RuntimeError: {HOSTILE[0]}" in text
    assert (
        "at most 0.00002 from the log-likelihoods of its own generate (0.001 is allowed, in float32)" in text
    )
    assert "16 images a second, 1.8 GiB of memory at most" in text
    assert "Asked again alone, 8 images gave another answer to 3 of 240 questions" in text
    assert "log-likelihoods moved by 0.31 at most" in text


def test_an_exam_that_is_not_finished_has_no_speed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base",), inside=False, contents=3)
    engine = {"scheme": "plain", "difference": 0.0, "tolerance": 1e-3, "refused": {}}
    run.write_json({"engine": engine}, "arms/base/exam.json")
    assert parts_of(run)["asked"].lead.endswith("its exam is not finished.")


def test_a_no_to_a_yes_no_question_is_listed(page: Path) -> None:
    text = Page(page.read_text(encoding="utf-8")).text
    assert "denied: says no to a yes-no question" in text


def test_yes_no_questions_alone_are_enough(tmp_path: Path) -> None:
    run = make_asked_run(tmp_path / "run", only=("yes-no-is-there",), contents=3)
    text = Page(build_report(run.path).read_text(encoding="utf-8")).text
    assert "Untuned, asked about each label, yes or no" in text
    assert "Order of the options" not in text
    assert "Yes or no" in text
