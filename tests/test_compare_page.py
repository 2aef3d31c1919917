"""Two runs side by side: the numbers of the table, only images answered otherwise, all escaped."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from run_fixture import HOSTILE, make_run
from test_report_endpoint import Page

from eyechart.compare import compare_runs
from eyechart.exam.shards import write_answers
from eyechart.report.pair_page import build_pair_page
from eyechart.runs import Run

NAMES = ("one <b>", "two")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two runs; the second answers three images of the first train wording otherwise, no others."""
    folder = tmp_path_factory.mktemp("pair")
    first, second = (make_run(folder / name, ("base",), inside=False, contents=2) for name in NAMES)
    table = second.read_table("arms/base/answers")
    mine = table.index[(table["template"] == "paper") & (table["readout"] == "generate")][:3]
    table.loc[mine, "predicted"] = [
        "blur" if one != "blur" else "noise" for one in table.loc[mine, "predicted"]
    ]
    write_answers(second, "base", table.assign(correct=(table["predicted"] == table["label"]).fillna(False)))
    return first.path, second.path


@pytest.fixture(scope="module")
def found(folders: tuple[Path, Path]) -> pd.DataFrame:
    """Return the comparison of the two runs."""
    return compare_runs(folders)


@pytest.fixture(scope="module")
def page(folders: tuple[Path, Path], found: pd.DataFrame) -> Path:
    """Return the page of the two runs."""
    return build_pair_page(found, folders, NAMES)


def test_the_page_lies_in_the_second_run_and_nothing_else_is_written(
    page: Path, folders: tuple[Path, Path]
) -> None:
    assert page == folders[1] / "compare-one-b-.html"
    assert not any((folder / "tables").exists() for folder in folders)


def test_the_numbers_are_those_of_the_table(page: Path, found: pd.DataFrame) -> None:
    text = Page(page.read_text(encoding="utf-8")).text
    row = found[
        (found["label"] == "all") & (found["template"] == "paper") & (found["readout"] == "choose")
    ].iloc[0]
    assert f"{100 * row['reference_accuracy']:.1f} %" in text
    assert f"{100 * row['accuracy']:.1f} %" in text
    assert f"two minus one <b> is {100 * row['balanced_difference']:+.1f} points".replace("-", "−") in text
    assert "cannot tell which is better" in text


def test_only_images_answered_otherwise_are_shown(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count('class="card"') == 3
    assert "right in one &lt;b&gt;, wrong in two" in text


def test_names_and_answers_stay_text(page: Path) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    assert parsed.tags.count("script") == 1  # its own
    assert "b" not in parsed.tags
    assert "onerror" not in parsed.attributes
    assert "one <b>" in parsed.text


def test_equal_runs_have_no_images_to_show(folders: tuple[Path, Path], tmp_path: Path) -> None:
    twin = make_run(tmp_path / "twin", ("base",), inside=False, contents=2)
    both = (folders[0], twin.path)
    text = build_pair_page(compare_runs(both), both, ("one", HOSTILE[0])).read_text(encoding="utf-8")
    assert "No kept image is answered otherwise." in text
    assert "<script" not in text
    assert Run(twin.path).has("compare-one.html")
