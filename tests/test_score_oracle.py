"""Q-Align's and Q-Instruct's scores through the engine, against the original code's on its own tiny model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from owl import ORACLE, facts, needs_oracle, original, original_processor, tensors
from PIL import Image
from scipy.special import softmax

from eyechart.exam.engine import read
from eyechart.quality.asks import Scored, as_asked, prompt_of, scoring_ask
from eyechart.quality.config import ScoreConfig
from eyechart.quality.levels import level_scores
from eyechart.quality.scorer import Scorer
from eyechart.quality.template import ScoringTemplate, load_scoring
from eyechart.subjects.model import ModelSubject

pytestmark = needs_oracle
PICTURES = ("landscape", "portrait", "square")


def subject() -> ModelSubject:
    return ModelSubject("oracle", original(), original_processor())


def picture(name: str) -> Any:
    return np.asarray(Image.open(ORACLE / "images" / f"{name}.png").convert("RGB"))


def first_tokens(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the log-likelihoods that the originals count: those of each level word's first token.

    They are asked for as ``eyechart score`` asks, all templates together; for each [n, words].
    """
    templates, asked = load_scoring(names), subject()
    scorer = Scorer(asked, "base", templates, ScoreConfig(), 0)
    found: dict[str, list[Any]] = {template.id: [] for template in templates}
    for name in PICTURES:
        for row in scorer.answer(pd.DataFrame({"image_id": [name]}), [picture(name)]):
            found[row["template"]].append(row["logp_first"])
    assert asked.processor.image_processor.squaring == "pad"  # as before
    return {name: np.stack(rows) for name, rows in found.items()}


def template_of(name: str) -> ScoringTemplate:
    (template,) = load_scoring(name)
    return template


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("q-align-five", "natural.quality.image"),
        ("q-align-aesthetics", "natural.aesthetics.image"),
        ("q-align-score-method", "swapped.quality.image"),
    ],
)
def test_q_align_scores_as_the_original_does(name: str, case: str) -> None:
    expected, logp = facts("scoring")[case], first_tokens((name,))[name]
    np.testing.assert_allclose(softmax(logp, axis=1), expected["level_probs"], atol=1e-5)
    scores = level_scores(logp, template_of(name))
    np.testing.assert_allclose(scores, expected["score_5to1"], atol=1e-4)
    np.testing.assert_allclose((scores - 1) / 4, expected["score_1to0"], atol=1e-5)


def test_the_prompt_is_the_published_one() -> None:
    asked = subject()
    template = template_of("q-align-five")
    prompt = prompt_of(asked, template)
    assert prompt == facts("scoring")["natural.quality.image"]["prompt"]


def test_q_instruct_scores_pictures_of_every_shape_as_the_original_does() -> None:
    """Scorer and evaluation crop there, the demo pads; together with Q-Align, which pads."""
    found, expected = first_tokens(("q-align", "q-instruct")), tensors("qinstruct")
    logits = expected["eval_good_poor.logits"].double()
    for name, right in {
        "q-instruct-words": expected["plain.score"],
        "q-instruct-boost": expected["boost.score"],
        "q-instruct-demo": expected["demo.score"],
        "q-instruct-evaluation": logits.softmax(-1)[:, 0],
    }.items():
        scores = level_scores(found[name], template_of(name))
        np.testing.assert_allclose(scores, right.numpy(), atol=1e-5, err_msg=name)
    align = level_scores(found["q-align-five"], template_of("q-align-five"))
    np.testing.assert_allclose(align, facts("scoring")["natural.quality.image"]["score_5to1"], atol=1e-4)


def test_a_question_without_a_preset_sees_pictures_as_the_processor_makes_them(llava: ModelSubject) -> None:
    asked, template = subject(), template_of("level-rate")
    assert as_asked(asked, template).squaring is None
    assert as_asked(asked, template_of("q-instruct-words")).squaring == "crop"
    assert as_asked(llava, template_of("q-instruct-words")).squaring is None


def test_a_word_of_several_tokens_counts_whole() -> None:
    asked = subject()
    (five,) = load_scoring("q-align-five")
    template = five.model_copy(update={"levels": (("excellent",), ("unblemished",))})
    image = picture("square")
    ask = scoring_ask(asked, Scored(template, prompt_of(asked, template)), image.shape[:2], write=False)
    reading = read(asked, [image], [ask])[0]
    assert [len(word) > 1 for word in ask.candidates] == [False, True]
    assert reading.logp[0, 0] == pytest.approx(reading.first[0, 0])
    assert reading.logp[0, 1] < reading.first[0, 1]
