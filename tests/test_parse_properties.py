"""What holds of every answer, whatever it says and whatever was asked."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import eyechart.templates
from eyechart.taxonomy import load_label_map
from eyechart.templates import Parsed, Question, load_lexicon, load_templates, parse, questions, set_names
from eyechart.templates.parse import STATUSES

LABELS = load_label_map("paper8").labels
LEXICON = load_lexicon()
FOLDER = Path(eyechart.templates.__file__).parent
ASKED = questions(load_templates(set_names()), LABELS, orders=2)
GLOSSES = {
    path.stem: yaml.safe_load(path.read_text("utf-8"))["words"] for path in FOLDER.glob("gloss/*.yaml")
}
WORDS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("words/*.yaml")}
# Pieces of answers, the label's words among them, in every language and form.
PIECES = [
    *(
        "blur",
        "noise",
        "too dark",
        "grainy",
        "B",
        "(C)",
        "A.",
        "option d",
        "Yes",
        "No",
        "not",
        "no",
        "but",
        "and",
    ),
    *(
        "distortion",
        "the image is",
        "answer:",
        "the answer is",
        "Therefore,",
        "overall",
        "mainly",
        "neither",
        "nor",
    ),
    *(
        ",",
        ".",
        ";",
        ":",
        "\n",
        "isn't",
        "I cannot tell",
        "sorry",
        "<think>",
        "</think>",
        "null",
        "{",
        "}",
        "|",
    ),
    *(
        '{"distortion": "noise"}',
        '{"answer":',
        '"blur"',
        "['noise']",
        "none",
        "unknown",
        "rather than",
        "free of",
    ),
    *(
        "模糊",
        "噪点",
        "没有",
        "不是",
        "而是",
        "，",
        "。",
        "是",
        "无",
        "对比度",
        "无法判断",
        "失真",
        "答案是",
        "选B",
    ),
    *(
        "ぼけ",
        "ノイズ",
        "はありません",
        "ではなく",
        "です",
        "、",
        "はい",
        "いいえ",
        "なし",
        "わかりません",
        "劣化",
    ),
]
ANSWERS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.text(max_size=60),
)
QUESTIONS = st.one_of(st.none(), st.sampled_from(ASKED))


@settings(max_examples=400)
@given(ANSWERS, QUESTIONS)
def test_status_and_labels_agree(text: str, question: Question | None) -> None:
    found = parse(text, LABELS, LEXICON, question)
    assert found.status in STATUSES
    assert (len(found.labels) == 1) == (found.status == "label") or found.status == "several"
    assert found.status in ("label", "several") or found.labels == ()
    assert set(found.labels) <= set(LABELS)
    assert found.status != "denied" or (question is not None and question.about is not None)


@settings(max_examples=400)
@given(ANSWERS, QUESTIONS)
def test_a_label_is_never_read_out_of_words_that_are_not_there(text: str, question: Question | None) -> None:
    for label in parse(text, LABELS, LEXICON, question).labels:
        if label != LEXICON.no_distortion and (question is None or question.about != label):
            assert _occurs(label, text, question)


def _occurs(label: str, text: str, question: Question | None) -> bool:
    """Say whether a phrase of the label, or its letter, stands in an answer; computed without the parser."""
    names = {label} | {name for name, instead in LEXICON.instead if label in instead}
    phrases = {" ".join(phrase) for phrase, of in (*LEXICON.words, *LEXICON.alone) if of in names} | {label}
    words = " ".join(re.findall(r"[^\W_]+", text.casefold()))
    letters = "abcdefgh"[question.options.index(label)] if question and question.options else ""
    return (
        any(re.search(rf"(?<![a-z]){re.escape(phrase)}(?![a-z])", words) for phrase in phrases)
        or any(word in text.casefold() for word in _foreign(phrases, label))
        or (letters != "" and re.search(rf"(?<![a-z]){letters}(?![a-z])", words) is not None)
    )


def _foreign(phrases: set[str], label: str) -> set[str]:
    """Return the Chinese and Japanese words that are written for any of the phrases."""
    found = {WORDS[language]["labels"][label] for language in ("zh", "ja")}
    for glossed in GLOSSES.values():
        found |= {word for meaning, several in glossed.items() if meaning in phrases for word in several}
    return found


@settings(max_examples=300)
@given(st.lists(st.sampled_from([p for p in PIECES if p.isascii()]), max_size=10), QUESTIONS)
def test_case_and_blanks_change_nothing(pieces: list[str], question: Question | None) -> None:
    plain = parse(" ".join(pieces), LABELS, LEXICON, question)
    spaced = "  " + " \t ".join(pieces).replace(" ", "  ").upper() + "  "
    assert parse(spaced, LABELS, LEXICON, question) == plain


@pytest.mark.parametrize("question", ASKED, ids=lambda q: f"{q.template.id}-{q.order}-{q.about}")
def test_every_candidate_is_read_as_what_it_stands_for(question: Question) -> None:
    if question.about is not None:
        yes, no = question.candidates
        assert parse(yes, LABELS, LEXICON, question) == Parsed("label", (question.about,))
        assert parse(no, LABELS, LEXICON, question) == Parsed("denied", ())
        return
    for label, candidate in zip(LABELS, question.candidates, strict=True):
        for wrapped in (
            candidate,
            f" {candidate}\n",
            f"**{candidate}**",
            f"<think>noise?</think>{candidate}",
        ):
            assert parse(wrapped, LABELS, LEXICON, question) == Parsed("label", (label,))


@pytest.mark.parametrize("name", ["families7", "liqe11"])
def test_candidates_of_other_label_maps_are_read_as_their_labels(name: str) -> None:
    labels = load_label_map(name).labels
    for question in questions(load_templates(set_names()), labels):
        if question.about is None:
            for label, candidate in zip(labels, question.candidates, strict=True):
                assert parse(candidate, labels, LEXICON, question) == Parsed("label", (label,)), candidate


@given(st.data())
def test_two_different_letters_are_never_one_label(data: st.DataObject) -> None:
    question = data.draw(st.sampled_from([q for q in ASKED if q.template.kind == "letters"]))
    one, other = data.draw(st.lists(st.sampled_from("ABCDEFGH"), min_size=2, max_size=2, unique=True))
    wording = data.draw(
        st.sampled_from(["{} and {}", "{}, {}", "({}) ({})", "{} or {}", "{}. {}.", "{}\n{}"])
    )
    found = parse(wording.format(one, other), LABELS, LEXICON, question)
    assert found.status == "several"
    assert len(found.labels) == 2


@given(st.sampled_from(LABELS), st.sampled_from(LABELS))
def test_a_letter_with_the_word_of_another_option_is_several(letter_of: str, word: str) -> None:
    (question,) = questions(load_templates("letters-what"), LABELS)
    letter = "ABCDEFGH"[LABELS.index(letter_of)]
    for text in (f"{letter}. {word}", f"({letter}) {word}", f"The answer is {letter}: {word}."):
        found = parse(text, LABELS, LEXICON, question)
        assert found.status == ("label" if letter_of == word else "several")


@given(
    st.dictionaries(
        st.sampled_from(["answer", "distortion", "severity", "blur", ""]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=5
        ),
    )
)
def test_any_json_is_read_without_a_fault(value: dict[str, object]) -> None:
    (question,) = questions(load_templates("json-distortion"), LABELS)
    assert parse(json.dumps(value), LABELS, LEXICON, question).status in STATUSES


def test_no_foreign_phrase_has_two_meanings() -> None:
    seen: dict[str, str] = {}
    for glossed in GLOSSES.values():
        for meaning, phrases in glossed.items():
            for phrase in phrases:
                assert seen.setdefault(phrase, meaning) == meaning, phrase


@pytest.mark.parametrize(
    "piece", ["noise ", "artifact ", "no artifact ", "模糊，", '{"a":', "A ", "<think>", "is it "]
)
@pytest.mark.parametrize("kind", ["open-wrong", "letters-what", "yes-no-is-there", "json-distortion"])
def test_an_answer_that_repeats_itself_for_pages_is_read_at_once(piece: str, kind: str) -> None:
    question = questions(load_templates(kind), LABELS)[0]
    clock = time.process_time()
    parse(piece * 1000, LABELS, LEXICON, question)
    assert time.process_time() - clock < 1
