"""Q-Align's and Q-Instruct's scores through the engine, against the original code's on its own tiny model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from owl import ORACLE, facts, needs_oracle, original, original_processor, tensors
from PIL import Image
from scipy.special import softmax

from eyechart.exam.engine import read
from eyechart.quality.asks import Scored, prompt_of, scoring_ask
from eyechart.quality.levels import level_scores
from eyechart.quality.template import load_scoring
from eyechart.subjects.model import ModelSubject

pytestmark = needs_oracle
PICTURES = ("landscape", "portrait", "square")


def subject() -> ModelSubject:
    return ModelSubject("oracle", original(), original_processor())


def first_tokens(name: str, pictures: tuple[str, ...] = PICTURES) -> Any:
    """Return the log-likelihood of each level word's first token, [n, words], which the originals count."""
    (template,) = load_scoring(name)
    asked, found = subject(), []
    for picture in pictures:
        image = np.asarray(Image.open(ORACLE / "images" / f"{picture}.png").convert("RGB"))
        ask = scoring_ask(asked, Scored(template, prompt_of(asked, template)), image.shape[:2], write=False)
        found.append(read(asked, [image], [ask])[0].first[0])
    return np.stack(found), template


def test_q_align_scores_as_the_original_does() -> None:
    expected = facts("scoring")["natural.quality.image"]
    logp, template = first_tokens("q-align-five")
    np.testing.assert_allclose(softmax(logp, axis=1), expected["level_probs"], atol=1e-5)
    scores = level_scores(logp, template)
    np.testing.assert_allclose(scores, expected["score_5to1"], atol=1e-4)
    np.testing.assert_allclose((scores - 1) / 4, expected["score_1to0"], atol=1e-5)


def test_the_prompt_is_the_published_one() -> None:
    asked = subject()
    (template,) = load_scoring("q-align-five")
    prompt = prompt_of(asked, template)
    assert prompt == facts("scoring")["natural.quality.image"]["prompt"]


@pytest.mark.parametrize(("name", "key"), [("q-instruct-words", "plain"), ("q-instruct-boost", "boost")])
def test_q_instruct_scores_a_square_picture_as_the_original_does(name: str, key: str) -> None:
    logp, template = first_tokens(name, ("square",))  # others are cropped there, and padded here
    expected = tensors("qinstruct")[f"{key}.score"].numpy()
    np.testing.assert_allclose(level_scores(logp, template), expected[2:3], atol=1e-5)


def test_a_word_of_several_tokens_counts_whole() -> None:
    asked = subject()
    (five,) = load_scoring("q-align-five")
    template = five.model_copy(update={"levels": (("excellent",), ("unblemished",))})
    image = np.asarray(Image.open(ORACLE / "images" / "square.png").convert("RGB"))
    ask = scoring_ask(asked, Scored(template, prompt_of(asked, template)), image.shape[:2], write=False)
    reading = read(asked, [image], [ask])[0]
    assert [len(word) > 1 for word in ask.candidates] == [False, True]
    assert reading.logp[0, 0] == pytest.approx(reading.first[0, 0])
    assert reading.logp[0, 1] < reading.first[0, 1]
