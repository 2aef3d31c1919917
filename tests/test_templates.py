"""The exam's wordings: those that come with Eyechart, how they are chosen, what a user's file may not say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eyechart.errors import EyechartError
from eyechart.templates import load_lexicon, load_templates, set_names
from eyechart.templates.template import KINDS, Template

GOOD = """
templates:
  - {id: a, kind: open word, split: train, language: en, source: me,
     answer: "{label}", text: "What is it?"}
  - {id: b, kind: word list, split: held-out, language: en, source: me,
     answer: "{label}", text: "One of {labels}?"}
  - {id: c, kind: letters, split: train, language: zh, source: me,
     answer: "{letter}", text: "Which? {options}"}
  - {id: d, kind: json, split: train, language: en, source: me,
     answer: '{"x": "{label}"}', text: "As JSON!"}
  - {id: e, kind: yes-no, split: train, language: ja, source: me,
     answer: "Y|N", text: "Is {label}?", clean: "None?"}
"""
STUDY = (
    ("main-distortion", "train", "What is the main distortion of this image? Answer with one word."),
    ("word-list", "held-out", "Which word fits this image best: {labels}?"),
    ("other-words", "held-out", "Look at the photo. Name its worst technical flaw in a single term."),
)


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_default_wordings_are_those_of_the_shipped_study() -> None:
    assert tuple((t.id, t.split, t.text) for t in load_templates()) == STUDY
    assert load_templates() == load_templates("exam")


def test_every_set_can_be_asked_beside_the_others() -> None:
    every = load_templates(set_names())
    assert len({template.id for template in every}) == len(every)
    assert {template.language for template in every} == {"en", "zh", "ja"}
    assert {template.set for template in every} == set(set_names())
    assert {"own", "paper", "q-instruct", "q-bench", "depictqa", "q-insight"} <= set(set_names())


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_every_kind_is_asked_in_chinese_and_japanese(language: str) -> None:
    assert {t.kind for t in load_templates(set_names()) if t.language == language} == set(KINDS)


def test_own_paraphrases_are_many_and_held_out_ones_differ_in_wording() -> None:
    own = load_templates("own")
    parts = {split: [t for t in own if t.split == split] for split in ("train", "held-out")}
    assert len(own) >= 24
    for part in parts.values():
        assert len(part) >= 12
        assert {template.kind for template in part} == set(KINDS)
    lengths = [len(template.text.split()) for template in own]
    assert min(lengths) <= 4
    assert max(lengths) >= 30
    nearest = max(_likeness(a, b) for a in parts["train"] for b in parts["held-out"])
    assert nearest < 0.5


def _likeness(a: Template, b: Template) -> float:
    """Return the share of the words of both wordings that they have in common."""
    one, other = (set(re.findall(r"\w+", t.text.replace("{labels}", "").lower())) for t in (a, b))
    return len(one & other) / len(one | other)


def test_templates_are_chosen_by_set_by_id_and_by_file(tmp_path: Path) -> None:
    mine = write(tmp_path, GOOD)
    chosen = load_templates(["paper", "zh-open", mine])
    assert [t.id for t in chosen][-6:] == ["zh-open", "a", "b", "c", "d", "e"]
    assert {t.set for t in chosen} == {"paper", "chinese", "mine"}
    assert load_templates(str(mine)) == load_templates(mine)
    assert load_templates(["exam", "word-list"]) == load_templates()


def test_what_is_not_there_is_told_with_what_is_near() -> None:
    with pytest.raises(EyechartError, match="did you mean q-bench"):
        load_templates("qbench")
    with pytest.raises(EyechartError, match="sets: exam, chinese"):
        load_templates("@@@")


def test_an_own_template_may_not_take_a_shipped_id(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("id: a", "id: word-list"))
    with pytest.raises(EyechartError, match="'word-list' stands twice"):
        load_templates(["exam", path])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("id: b", "id: a", "'a' stands twice"),
        ("One of {labels}?", "What is it?", "text is 'What is it\\?', which lacks {labels}"),
        ("kind: word list", "kind: open word", "must not hold {labels}"),
        ("Which? {options}", "Which?", "template 3: text is 'Which\\?', which lacks {options}"),
        ('"{letter}"', '"{label}"', "answer is '{label}', which lacks {letter}"),
        ("Is {label}?", "Is it?", "lacks {label}"),
        ("None?", "{label}?", "clean is '{label}\\?', which must not hold {label}"),
        (', clean: "None?"', "", "clean is missing"),
        ('text: "As JSON!"', 'text: "As JSON!", clean: "None?"', "template 4: unknown key clean"),
        ('"Y|N"', '"Y"', "answer is 'Y'"),
        ('"Y|N"', '"Y| "', "answer is 'Y| '"),
        ("""'{"x": "{label}"}'""", '"{label}"', "not a JSON object"),
        ("split: held-out", "split: test", "split is 'test'"),
        ("kind: open word", "kind: riddle", "kind is 'riddle'"),
        ("language: zh", "language: xx", "language is 'xx'"),
        ("source: me", "sauce: me", "unknown key sauce"),
        ("language: en, ", "", "language is missing"),
        ("source: me", "source: 5", "source is 5"),
        ("templates:", "wordings:", "unknown key wordings"),
    ],
)
def test_faults_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    load_templates(write(tmp_path, GOOD))
    with pytest.raises(EyechartError, match=complaint) as caught:
        load_templates(write(tmp_path, GOOD.replace(old, new)))
    assert "mine.yaml" in str(caught.value)


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
instead: {}
alone: {}
off-list: []
generic: {nouns: [artifact], adjectives: [distorted]}
"""
    with pytest.raises(EyechartError, match="'grain' stands twice"):
        load_lexicon(write(tmp_path, text))
