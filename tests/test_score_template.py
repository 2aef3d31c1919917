"""Scoring templates, the numbers that texts say, and scores from likelihoods."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from eyechart.errors import EyechartError
from eyechart.quality.levels import level_scores
from eyechart.quality.spoken import level_worths, spoken
from eyechart.quality.template import load_scoring, scoring_sets

FIVE, HUNDRED = load_scoring(("number-five", "number-hundred"))
(ALIGN,) = load_scoring("q-align-five")


@pytest.mark.parametrize("name", scoring_sets())
def test_every_shipped_set_loads(name: str) -> None:
    found = load_scoring(name)
    assert all(template.source and template.set == name for template in found)


def test_there_are_wordings_of_both_manners() -> None:
    own = load_scoring("scoring")
    assert len(own) >= 5
    assert {template.split for template in own} == {"train-like", "other"}
    assert {template.kind for template in own} == {"levels", "number"}


def test_the_published_protocols_are_as_published() -> None:
    assert ALIGN.words == ("excellent", "good", "fair", "poor", "bad")
    assert level_worths(ALIGN) == [5, 4, 3, 2, 1]
    assert ALIGN.beginning == "The quality of the image is"
    bench, synonyms = load_scoring("q-bench")
    assert level_worths(bench) == [1, 0]
    assert synonyms.levels == (("good", "fine", "high"), ("poor", "bad", "low"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("4", 4), ("4.5", 4.5), ("4,5", 4.5), (" **3**.", 3), ("4/5", 4), ("4 out of 5", 4)),
        *(("I'd rate it a 3.", 3), ("On a scale of 1 to 5, I would say 2.", 2), ("Score: 4.25", 4.25)),
        *(('{"rating": 3.75}', 3.75), ('```json\n{"rating": "2"}\n```', 2), ("<answer>2.5</answer>", 2.5)),
        *(
            ("<think>maybe 4, or 2</think>3", 3),
            ("5 (excellent)", 5),
            ("The answer is 2. It shows 3 cats", 2),
        ),
    ],
)
def test_a_number_is_read(text: str, value: float) -> None:
    found = spoken(text, FIVE)
    assert (found.status, found.value) == ("score", value)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        *(("", "empty"), ("...", "empty"), ("good", "unparsed"), ("I cannot tell", "unparsed")),
        *(("6", "off-scale"), ("0", "off-scale"), ("-3", "off-scale"), ("8/10", "off-scale")),
        *(("3-4", "several"), ("3 or 4", "several"), ("2, maybe 3", "several"), ("mp3 player", "unparsed")),
        *(("80", "off-scale"), ("[1, 2]", "several"), ('{"rating": null}', "unparsed")),
    ],
)
def test_what_is_no_score_is_never_replaced(text: str, status: str) -> None:
    found = spoken(text, FIVE)
    assert found.status == status
    assert np.isnan(found.value)


@given(st.text(max_size=60))
def test_any_text_gives_a_status_and_only_a_score_has_a_value(text: str) -> None:
    for template in (FIVE, HUNDRED, ALIGN):
        found = spoken(text, template)
        assert (found.status == "score") == (not np.isnan(found.value))
        if found.status == "score":
            assert template.scale[0] <= found.value <= template.scale[1]


@given(st.floats(0, 100, allow_nan=False).map(lambda x: round(x, 2)))
def test_a_written_number_comes_back(value: float) -> None:
    assert spoken(f"The quality is {value:g}", HUNDRED).value == pytest.approx(value)


def test_levels_are_read_from_texts() -> None:
    assert spoken("Good.", ALIGN).value == 4
    assert spoken("the quality is poor", ALIGN).value == 2
    assert spoken("not good, but fair", ALIGN).value == 3
    assert spoken("not good", ALIGN).status == "unparsed"
    assert spoken("good or fair", ALIGN).status == "several"
    assert spoken("goodness", ALIGN).status == "unparsed"


def test_a_score_is_the_mean_worth_under_the_softmax() -> None:
    logp = np.array([[-1.0, -2, -3, -4, -5], [-9, -9, -9, -9, -1]])
    expected = softmax(logp, axis=1) @ [5, 4, 3, 2, 1]
    np.testing.assert_allclose(level_scores(logp, ALIGN), expected)
    np.testing.assert_allclose(level_scores(logp + 7, ALIGN), expected)  # what all share changes nothing
    synonyms = load_scoring("q-bench-synonyms")[0]
    words = np.array([[-1.0, -2, -3, -4, -4, -4]])
    np.testing.assert_allclose(level_scores(words, synonyms), 1 / (1 + np.exp(-4 + 2)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("answer: The {level} is it", "must end in {level}"),
        ("levels: [[good]]", "two lists"),
        ("levels: [[good], [good]]", "stands twice"),
        ("scale: [5, 1]", "rising"),
        ("kind: number", "must end in {number}"),
        ("colour: red", "colour"),
    ],
)
def test_a_wrong_template_is_told_by_its_place(change: str, told: str, tmp_path: Path) -> None:
    right = {
        "id": "mine", "kind": "levels", "split": "other", "language": "en", "source": "me", "text": "How?",
        "answer": '"{level}"', "levels": "[[good], [bad]]",
    }  # fmt: skip
    key, _, value = change.partition(": ")
    lines = [
        f"{name}: {text}"
        for name, text in ({**right, key: f'"{value}"' if key == "answer" else value}).items()
    ]
    path = tmp_path / "own.yaml"
    path.write_text("templates:\n  - " + "\n    ".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(EyechartError, match=r"own\.yaml, template 1") as caught:
        load_scoring(path)
    assert told in str(caught.value)


def test_an_unknown_template_is_told() -> None:
    with pytest.raises(EyechartError, match="did you mean q-align"):
        load_scoring("q-algin")


def test_two_templates_of_one_id_are_told(tmp_path: Path) -> None:
    entry = ALIGN.model_dump(mode="json", exclude={"set"}) | {"text": "Another?"}
    path = tmp_path / "twice.yaml"
    path.write_text(yaml.safe_dump({"templates": [entry]}), encoding="utf-8")
    with pytest.raises(EyechartError, match="stands twice"):
        load_scoring(("q-align-five", path))
