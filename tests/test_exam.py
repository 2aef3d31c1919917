"""The answers table: what each readout of a batch says, against a plain computation by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from numpy.typing import NDArray

from eyechart.corpora.drawn import choices
from eyechart.errors import EyechartError
from eyechart.exam.content import content_scenes, examine_content
from eyechart.exam.content_free import content_free, mean_colour
from eyechart.exam.forest import Ask
from eyechart.exam.prompts import prompt_key
from eyechart.exam.schemes import check_schemes
from eyechart.exam.shards import COLUMNS
from eyechart.seeds import seed_of
from eyechart.subjects.model import ModelSubject
from eyechart.templates import load_templates, questions

SIZE = (112, 112)
TEMPLATES = load_templates()


def by_hand(
    subject: ModelSubject, image: NDArray[np.uint8], question: str, answer: str
) -> NDArray[np.float64]:
    """Return log p of each token of an answer: one sequence, one image, no cache, no tree."""
    prompt, ids = subject.prompt(question, SIZE), subject.answer_ids(question, answer, SIZE)
    pixels = subject.processor(text=prompt.text, images=[image], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        whole = torch.tensor([[*prompt.ids, *ids]])
        logits = subject.model(input_ids=whole, pixel_values=pixels, use_cache=False).logits[0].double()
    steps = torch.log_softmax(logits, -1)[len(prompt.ids) - 1 : -1]
    return np.array([float(steps[i, token]) for i, token in enumerate(ids)])


def dataset(count: int) -> tuple[pd.DataFrame, list[NDArray[np.uint8]]]:
    rows = [
        {"image_id": f"i{k}", "content": f"c{k // 2}", "corpus": "photos", "distortion": "x", "level": 1}
        for k in range(count)
    ]
    table = pd.DataFrame(rows).assign(label=[tiny.LABELS[k % 4] for k in range(count)])
    return table, tiny.images(count, seed=1)


@pytest.fixture(scope="module")
def answers(internvl: ModelSubject) -> pd.DataFrame:
    return tiny.examine(internvl, *dataset(6), new_tokens=2)


def test_every_image_template_and_readout_has_a_row(answers: pd.DataFrame, internvl: ModelSubject) -> None:
    assert set(answers) == set(COLUMNS)
    assert len(answers) == 6 * len(TEMPLATES) * 2
    assert not answers.duplicated(["image_id", "template", "readout"]).any()
    split = dict(zip(answers["template"], answers["template_split"], strict=True))
    assert split == {t.id: t.split for t in TEMPLATES}
    assert (answers[["order", "repeat"]] == 0).all(axis=None)
    prompts = dict(zip(answers["template"], answers["prompt"], strict=True))
    asked = TEMPLATES[0].question(tiny.LABELS)
    assert prompts[TEMPLATES[0].id] == prompt_key(f"USER: <image>{asked} ASSISTANT:")
    assert answers["seconds"].gt(0).all()


def test_choices_are_of_full_answers(answers: pd.DataFrame, internvl: ModelSubject) -> None:
    chosen = answers[answers["readout"] == "choose"]
    logp = np.stack(chosen["logp"].tolist())
    assert chosen["predicted"].tolist() == [tiny.LABELS[i] for i in logp.argmax(1)]
    assert (chosen["text"] == "").all()
    assert (chosen["correct"] == (chosen["predicted"] == chosen["label"])).all()
    _, shown = dataset(6)
    row, question = chosen.iloc[0], TEMPLATES[0].question(tiny.LABELS)
    for k, label in enumerate(tiny.LABELS):
        steps = by_hand(internvl, shown[0], question, label)
        assert row["logp"][k] == pytest.approx(steps.sum(), abs=1e-4)
        assert row["logp_mean"][k] == pytest.approx(steps.mean(), abs=1e-4)
        assert row["logp_first"][k] == pytest.approx(steps[0], abs=1e-4)
        blank = content_free(np.mean([mean_colour(image) for image in shown], axis=0), SIZE)
        prior = by_hand(internvl, blank, question, label).sum()
        assert row["logp_prior"][k] == pytest.approx(prior, abs=1e-4)


def test_text_without_a_label_is_wrong_and_not_guessed(answers: pd.DataFrame) -> None:
    written = answers[answers["readout"] == "generate"]
    other = written[written["status"] != "label"]
    assert len(other)  # a random model writes nonsense
    assert other["predicted"].isna().all()
    assert not other["correct"].any()
    assert written["logp"].isna().all()
    assert written["entropy"].gt(0).all()


def test_yes_no_compares_the_odds_of_every_label(internvl: ModelSubject) -> None:
    table, shown = dataset(3)
    template = yes_no()
    found = tiny.examine(internvl, table, shown, templates=(template.id,), new_tokens=2)
    assert found["readout"].tolist() == ["yes-no"] * 3
    row = found.iloc[1]
    odds = []
    for question in questions((template,), tiny.LABELS):
        yes, no = (by_hand(internvl, shown[1], question.text, answer).sum() for answer in question.candidates)
        odds.append(yes - no)
    np.testing.assert_allclose(row["logp"], odds, atol=1e-4)
    assert row["predicted"] == tiny.LABELS[int(np.argmax(odds))]
    assert len(row["logp_prior"]) == len(tiny.LABELS)
    with pytest.raises(EyechartError, match="is read by choose"):
        tiny.examine(internvl, table, shown, templates=(template.id,), readouts=("choose",))


def yes_no() -> Any:
    return next(template for template in load_templates("own") if template.kind == "yes-no")


def test_orders_shift_the_options_and_not_the_answers(internvl: ModelSubject) -> None:
    table, shown = dataset(2)
    found = tiny.examine(internvl, table, shown, templates=("word-list",), orders=4, readouts=("choose",))
    assert found["order"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found["prompt"].nunique() == 4
    for _, row in found.iterrows():
        shifted = (*tiny.LABELS[row["order"] :], *tiny.LABELS[: row["order"]])
        assert shifted[row["position"]] == row["predicted"]
        asked = questions(load_templates("word-list"), tiny.LABELS, 4)[row["order"]].text
        image = shown[int(row["image_id"][1:])]
        steps = by_hand(internvl, image, asked, tiny.LABELS[2])
        assert row["logp"][2] == pytest.approx(steps.sum(), abs=1e-4)


def test_samples_have_seeds_of_their_own_and_do_not_depend_on_the_batch(internvl: ModelSubject) -> None:
    table, shown = dataset(4)
    settings: dict[str, Any] = {"templates": ("main-distortion",), "repeats": 3, "new_tokens": 4}
    whole = tiny.examine(internvl, table, shown, **settings).query("readout == 'generate'")
    assert whole["repeat"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    sampled = whole[whole["repeat"] > 0]
    assert whole[whole["repeat"] == 0]["seed"].isna().all()
    row = sampled.iloc[5]
    assert row["seed"] == seed_of(0, "sample", row["image_id"], row["prompt"], row["repeat"])
    assert sampled["seed"].is_unique
    assert sampled.groupby("image_id")["text"].nunique().gt(1).any()  # sampling was on
    alone = tiny.examine(internvl, table[2:3], shown[2:3], **settings).query("readout == 'generate'")
    same = whole[whole["image_id"] == "i2"]
    assert alone["text"].tolist() == same["text"].tolist()


def test_readouts_that_are_not_wanted_are_not_taken(internvl: ModelSubject) -> None:
    found = tiny.examine(internvl, *dataset(2), readouts=("generate",))
    assert set(found["readout"]) == {"generate"}


def test_numbers_that_are_not_finite_name_no_label_and_are_told_before_an_exam() -> None:
    damaged = tiny.internvl()
    with torch.no_grad():
        damaged.model.model.language_model.layers[0].mlp.down_proj.weight[0, 0] = float("nan")
    table, shown = dataset(2)
    asked: dict[str, Any] = {"templates": ("main-distortion", "yes-no-is-there"), "new_tokens": 1}
    found = tiny.examine(damaged, table, shown, **asked).query("readout != 'generate'")
    assert set(found["readout"]) == {"choose", "yes-no"}
    assert set(found["status"]) == {"unparsed"}
    assert found["predicted"].isna().all()
    question = questions(load_templates("main-distortion"), tiny.LABELS)[0].text
    ask = Ask(damaged.prompt(question, SIZE), (damaged.answer_ids(question, "blur", SIZE),), False)
    with pytest.raises(EyechartError, match="in float32 are not finite"):
        check_schemes(damaged, shown[0], [ask])


def test_content_free_is_the_mean_colour() -> None:
    shown = [np.full((4, 6, 3), value, np.uint8) for value in (10, 21)]
    colour = np.mean([mean_colour(image) for image in shown], axis=0)
    assert np.array_equal(content_free(colour, (4, 6)), np.full((4, 6, 3), 16, np.uint8))  # 15.5 to even


def test_content_questions(internvl: ModelSubject) -> None:
    scenes = content_scenes(tiny.images(3), ["a", "b", "c"], 7, seed=0)
    assert scenes["content"].tolist() == list("abcabca")
    found = examine_content(internvl, "base", scenes, batch=3)
    assert list(found) == ["image_id", "content", "question", "label", "predicted", "arm", "correct"]
    asked = {(row["image_id"], question) for _, row in scenes.iterrows() for question in row["scene"].answers}
    assert set(zip(found["image_id"], found["question"], strict=True)) == asked
    for _, row in found.iterrows():
        assert row["predicted"] in choices(row["question"])
        assert row["correct"] == (row["predicted"] == row["label"])
