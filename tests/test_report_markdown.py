"""The report as Markdown: the page's numbers, and nothing of a model's text that is markup."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_fixture import HOSTILE, make_run

from eyechart.report import build_report
from eyechart.report.markdown import escaped


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run with its report."""
    made = make_run(tmp_path_factory.mktemp("markdown") / "run", ("base", "projector"), contents=3)
    return build_report(made.path).parent


def test_the_first_screen_and_the_tables_are_there(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    for question in (
        "Does it see distortions?",
        "Where is it lost?",
        "What repairs it?",
        "Can its scores be trusted?",
    ):
        assert f"## {question}" in text
    arms = pd.read_csv(run / "tables" / "arms.csv").set_index("arm")
    assert f"| projector | {100 * arms['train_choose'].to_dict()['projector']:.1f} % (" in text
    assert "| true \\\\ answered | blur | noise |" in text


def test_tables_are_whole(run: Path) -> None:
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse((run / "report.md").read_text(encoding="utf-8"))
    lines = (run / "report.md").read_text(encoding="utf-8").splitlines()
    begun = sum(line.startswith("|---") for line in lines)
    assert sum(token.type == "table_open" for token in tokens) == begun > 3
    assert not any(token.type.startswith("html") for token in tokens)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_stay_text(hostile: str) -> None:
    rendered = html_of(hostile)
    assert "<script" not in rendered
    assert "<img" not in rendered


@given(st.text())
def test_every_text_stays_text(text: str) -> None:
    rendered = html_of(text)
    for mark in ("<script", "<img", "<a ", "<em", "<strong", "<code", "<h1"):
        assert mark not in rendered
    assert rendered.count("<td>") == 2
    assert rendered.count("<table>") == 1


def html_of(text: str) -> str:
    """Return a table that holds a text, as CommonMark renders it with HTML allowed."""
    from markdown_it import MarkdownIt

    page = f"| a | b |\n|---|---|\n| {escaped(text)} | c |\n"
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(page))
