"""Questions: what a template asks of an exam's labels, in every order."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyechart.errors import EyechartError
from eyechart.taxonomy import load_label_map
from eyechart.templates import Question, Template, load_templates, questions, set_names

PAPER = load_label_map("paper8").labels
EVERY = load_templates(set_names())
ENGLISH = [template for template in EVERY if template.language == "en"]
LABEL = st.from_regex(r"[a-z]{2,9}( [a-z]{2,9})?", fullmatch=True)
SETS_OF_LABELS = st.lists(LABEL, min_size=2, max_size=12, unique=True)


@given(st.sampled_from(ENGLISH), SETS_OF_LABELS, st.data())
def test_every_label_stands_at_every_place_equally_often(
    template: Template, labels: list[str], data: st.DataObject
) -> None:
    orders = data.draw(st.integers(1, len(labels)))
    asked = questions([template], labels, orders)
    places = Counter((label, i) for q in asked for i, label in enumerate(q.options))
    if not asked[0].options:
        assert len(asked) == (len(labels) if asked[0].about else 1)
        return
    assert len(asked) == len({q.options for q in asked}) == orders
    assert [q.order for q in asked] == list(range(orders))
    assert set(places.values()) == {1}
    if orders == len(labels):
        assert len(places) == len(labels) ** 2


@given(st.sampled_from(ENGLISH), SETS_OF_LABELS, st.data())
def test_candidates_are_in_the_labels_order_whatever_the_listing(
    template: Template, labels: list[str], data: st.DataObject
) -> None:
    orders = data.draw(st.integers(1, len(labels)))
    for q in questions([template], labels, orders):
        if q.about is not None:
            assert q.candidates == tuple(q.template.answer.split("|"))
            continue
        assert len(set(q.candidates)) == len(q.candidates) == len(labels)
        for label, candidate in zip(labels, q.candidates, strict=True):
            assert _label_of(candidate, q) == label


def _label_of(candidate: str, question: Question) -> str:
    """Return the label that an answer names, read back without the parser."""
    before, _, after = question.template.answer.partition("{label}")
    if question.template.kind == "letters":
        letter = candidate[len(question.template.answer.partition("{letter}")[0])]
        return next(line[3:] for line in question.text.splitlines() if line.startswith(f"{letter}. "))
    if question.template.kind == "json":
        return str(*json.loads(candidate).values())
    return candidate.removeprefix(before).removesuffix(after)


@given(st.sampled_from(ENGLISH), SETS_OF_LABELS)
def test_a_question_names_the_labels_that_it_lists_and_leaves_no_place_open(
    template: Template, labels: list[str]
) -> None:
    for q in questions([template], labels):
        assert not any(place in q.text for place in ("{labels}", "{options}", "{label}", "{letter}"))
        assert all(label in q.text for label in q.options)
        assert q.about is None or q.about in q.text


@pytest.mark.parametrize("name", ["paper8", "families7", "liqe11"])
def test_every_template_asks_about_every_translated_label_map(name: str) -> None:
    labels = load_label_map(name).labels
    for q in questions(EVERY, labels, orders=2):
        assert q.template.kind == "yes-no" or len(q.candidates) == len(set(q.candidates)) == len(labels)


def test_chinese_candidates_are_chinese_words() -> None:
    (q,) = questions(load_templates("zh-list"), PAPER[:3])
    assert q.candidates == ("模糊", "噪声", "亮度")
    assert "模糊、噪声、亮度" in q.text
    assert q.options == PAPER[:3]


def test_letters_follow_the_listing() -> None:
    first, second = questions(load_templates("letters-what"), ["blur", "noise", "clean"], orders=2)
    assert "\nA. blur\nB. noise\nC. clean\n" in first.text
    assert "\nA. noise\nB. clean\nC. blur\n" in second.text
    assert (first.candidates, second.candidates) == (("A", "B", "C"), ("C", "A", "B"))


def test_yes_no_asks_about_each_label_in_words_that_a_good_picture_would_not_earn() -> None:
    asked = {q.about: q for q in questions(load_templates("yes-no-is-there"), PAPER)}
    assert list(asked) == list(PAPER)
    assert asked["blur"].text == "Is there blur in this image? Answer yes or no."
    assert asked["brightness"].text == "Is there wrong brightness in this image? Answer yes or no."
    assert asked["clean"].text == "Is this image free of any distortion? Answer yes or no."
    assert {q.candidates for q in asked.values()} == {("Yes", "No")}


def test_underscores_are_read_as_blanks() -> None:
    (q,) = questions(load_templates("word-list"), ["gaussian_blur", "white_noise"])
    assert q.text == "Which word fits this image best: gaussian blur, white noise?"
    assert q.candidates == ("gaussian blur", "white noise")


def test_a_quotation_mark_in_a_label_does_not_end_the_string() -> None:
    (q,) = questions(load_templates("json-type"), ['6" screen', "blur"][:1])
    assert json.loads(q.candidates[0]) == {"type": '6" screen'}


def test_a_label_without_a_word_in_a_language_is_refused() -> None:
    with pytest.raises(EyechartError, match="'gaussian_blur' has no word in the language 'zh'"):
        questions(load_templates("zh-open"), load_label_map("fine").labels)


def test_too_many_labels_for_letters_are_refused() -> None:
    with pytest.raises(EyechartError, match="letters-what gives each label a letter"):
        questions(load_templates("letters-what"), load_label_map("fine").labels)


@pytest.mark.parametrize("orders", [0, -1, 9])
def test_more_orders_than_labels_are_refused(orders: int) -> None:
    with pytest.raises(EyechartError, match=f"{orders} orders of 8 labels"):
        questions(load_templates(), PAPER, orders)
