"""The answer parser against answers that a person has read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from eyechart.taxonomy import load_label_map
from eyechart.templates import Parsed, Question, load_lexicon, load_templates, parse, questions

LABELS = ("blur", "noise", "brightness", "compression", "contrast", "colorfulness", "jitter", "clean")
LEXICON = load_lexicon()

FOLDER = Path(__file__).with_name("answers")


def read_by_hand(files: str) -> list[Any]:
    """Return answers with what a person reads in them, and the question, if that matters."""
    return [
        pytest.param(text, asked(group), expected, id=f"{path.stem}-{text[:40]}")
        for path in sorted(FOLDER.glob(files))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))
        for text, expected in group["answers"]
    ]


def asked(group: dict[str, Any]) -> Question | None:
    if "template" not in group:
        return None
    order, about = group.get("order", 0), group.get("about")
    found = questions(load_templates(group["template"]), LABELS, orders=order + 1)
    return next(q for q in found if (q.order, q.about) == (order, about))


def test_enough_answers_are_read_by_hand() -> None:
    assert len(read_by_hand("*.yaml")) >= 900


@pytest.mark.parametrize(("text", "question", "expected"), read_by_hand("[!m]*.yaml"))
def test_answers_read_by_hand(text: str, question: Question | None, expected: str) -> None:
    found = parse(text, LABELS, LEXICON, question)
    if expected in LABELS:
        assert found == Parsed("label", (expected,))
    else:
        assert found.status == expected


@pytest.mark.parametrize(("text", "question", "expected"), read_by_hand("missed.yaml"))
def test_what_is_missed_is_not_guessed(text: str, question: Question | None, expected: str) -> None:
    found = parse(text, LABELS, LEXICON, question)
    assert found.status in ("unparsed", "several")
    assert found.labels != (expected,), "it is read now: move it to the answers that are"


def test_several_names_its_labels_in_the_order_of_the_exam() -> None:
    assert parse("noise and blur", LABELS, LEXICON).labels == ("blur", "noise")


def test_labels_that_the_exam_does_not_have_are_off_list() -> None:
    assert parse("noise", ("blur", "compression"), LEXICON) == Parsed("off-list", ())
    assert parse("no distortion", ("blur", "compression"), LEXICON) == Parsed("off-list", ())


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("The image is overexposed.", "paper8", "brightness"),
        ("The image is overexposed.", "liqe11", "overexposure"),
        ("Too dark", "liqe11", "underexposure"),
        ("JPEG artifacts", "liqe11", "jpeg compression"),
        ("JPEG artifacts", "families7", "compression"),
        ("oversaturated", "families7", "color"),
        ("low contrast", "families7", "sharpness and contrast"),
        ("Oversharpening", "families7", "sharpness and contrast"),
        ("color banding", "liqe11", "quantization"),
    ],
)
def test_synonyms_follow_the_label_map(text: str, name: str, expected: str) -> None:
    assert parse(text, load_label_map(name).labels, LEXICON) == Parsed("label", (expected,))


def test_an_own_label_beats_the_lexicon() -> None:
    assert parse("Grain", ("grain", "noise"), LEXICON) == Parsed("label", ("grain",))
    assert parse("pixelation", ("pixelation", "noise"), LEXICON) == Parsed("label", ("pixelation",))
    assert parse("a white_noise pattern", ("white noise", "noise"), LEXICON) == Parsed(
        "label", ("white noise",)
    )


PHRASES = st.sampled_from([(" ".join(phrase), label) for phrase, label in LEXICON.words if label in LABELS])


@given(PHRASES)
def test_every_phrase_of_the_lexicon_means_its_label(pair: tuple[str, str]) -> None:
    assert parse(pair[0], LABELS, LEXICON) == Parsed("label", (pair[1],))


@given(
    st.lists(st.from_regex(r"[a-z]{2,12}", fullmatch=True), min_size=1, max_size=9, unique=True), st.data()
)
def test_a_label_alone_is_that_label(labels: list[str], data: st.DataObject) -> None:
    label = data.draw(st.sampled_from(labels))
    decorated = data.draw(st.sampled_from(["{}", "{}.", " {}\n", "**{}**", '"{}"'])).format(label)
    assert parse(decorated.upper(), labels, LEXICON) == Parsed("label", (label,))


@pytest.mark.parametrize("label", [*LABELS, "no", "just", "but", "not sharp", "gaussian blur"])
@pytest.mark.parametrize(
    "wording", ["{}", "{}.", "  {}\n", "**{}**", "<answer>{}</answer>", '{{"answer": "{}"}}']
)
def test_a_label_alone_is_that_label_in_every_wrapping(label: str, wording: str) -> None:
    assert parse(
        wording.format(label), (*LABELS, "no", "just", "but", "not sharp", "gaussian blur"), LEXICON
    ) == Parsed("label", (label,))


@given(
    PHRASES,
    st.sampled_from(["not {}", "no {}", "without {}", "It is not {}.", "There isn't any {}", "never {}"]),
)
def test_a_denied_label_is_never_that_label(pair: tuple[str, str], wording: str) -> None:
    phrase, label = pair
    assert label not in parse(wording.format(phrase), LABELS, LEXICON).labels
