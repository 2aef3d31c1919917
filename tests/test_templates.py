"""The exam's wordings: those that come with Eyechart, and what a user's file may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from eyechart.errors import EyechartError
from eyechart.templates import load_lexicon, load_templates

GOOD = """
templates:
  - {id: a, kind: open word, split: train, language: en, source: me, text: "What is it?"}
  - {id: b, kind: word list, split: held-out, language: en, source: me, text: "One of {labels}?"}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_wordings_that_come_with_eyechart() -> None:
    templates = load_templates()
    assert [template.split for template in templates] == ["train", "held-out", "held-out"]
    assert {template.kind for template in templates} == {"open word", "word list"}
    for template in templates:
        assert len(template.text.split()) <= 16
        assert ("blur, noise" in template.question(["blur", "noise"])) == (template.kind == "word list")
        assert "{" not in template.question(["blur", "noise"])


def test_a_users_file_is_read_in_its_order(tmp_path: Path) -> None:
    templates = load_templates(write(tmp_path, GOOD))
    assert [template.id for template in templates] == ["a", "b"]
    assert templates[1].question(["x", "y"]) == "One of x, y?"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("id: b", "id: a", "'a' stands twice"),
        ("One of {labels}?", "What is it?", "word list"),
        ("kind: word list", "kind: open word", "open word"),
        ("split: held-out", "split: test", "split is 'test'"),
        ("kind: open word", "kind: riddle", "kind is 'riddle'"),
        ("source: me, text", "sauce: me, text", "unknown key sauce"),
        ("language: en, ", "", "language is missing"),
        ("source: me", "source: 5", "source is 5"),
        ("templates:", "wordings:", "unknown key wordings"),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(EyechartError, match=complaint):
        load_templates(write(tmp_path, GOOD.replace(old, new)))


@pytest.mark.parametrize("text", ["templates: []", "templates: 3", "- a", "a: [", "templates: [x]"])
def test_files_without_wordings_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(EyechartError):
        load_templates(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match="cannot be read"):
        load_templates(tmp_path / "none.yaml")


def test_one_wording_in_both_splits_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace("word list", "open word").replace("One of {labels}?", "What is it?")
    with pytest.raises(EyechartError, match="text 'What is it\\?' stands twice"):
        load_templates(write(tmp_path, text))


def test_a_phrase_with_two_meanings_is_refused(tmp_path: Path) -> None:
    text = """
no distortion: clean
labels: {blur: [blur, grain], noise: [grain]}
alone: {}
off-list: []
generic: {nouns: [artifact], adjectives: [distorted]}
"""
    with pytest.raises(EyechartError, match="'grain' stands twice"):
        load_lexicon(write(tmp_path, text))
