"""The shared-prefix engine gives what plain, one-by-one computation gives; so does the answers table."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from numpy.typing import NDArray

from eyechart.corpora.drawn import choices
from eyechart.exam import ExamConfig, examine, examine_content
from eyechart.exam.answers import content_free
from eyechart.exam.content import content_scenes
from eyechart.exam.engine import ask
from eyechart.subjects.model import ModelSubject, Prompt
from eyechart.templates import load_templates

SIZE = (112, 112)
QUESTION = "What is the main distortion of this image?"
# One, two and three tokens, with a common beginning; 0 is the end token.
CANDIDATES = ((0,), (301, 0), (301, 299, 0), (271, 318, 0))

COLUMNS = (
    *("image_id", "content", "corpus", "distortion", "level", "label", "arm", "template", "template_split"),
    *("readout", "prompt", "text", "status", "predicted", "correct"),
    *("logp", "logp_mean", "logp_prior", "logp_first"),
)


def plain(
    subject: ModelSubject, image: NDArray[np.uint8], prompt: Prompt, answer: tuple[int, ...]
) -> list[float]:
    """Return log p of each token of an answer: one full sequence, one image, no cache, no tree."""
    pixels = subject.processor(text=prompt.text, images=[image], return_tensors="pt")["pixel_values"]
    ids = torch.tensor([[*prompt.ids, *answer]])
    with torch.no_grad():
        logits = subject.model(input_ids=ids, pixel_values=pixels, use_cache=False).logits[0].double()
    steps = torch.log_softmax(logits, -1)[len(prompt.ids) - 1 : -1]
    return [float(steps[i, token]) for i, token in enumerate(answer)]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_likelihoods_equal_plain_computation(subject: ModelSubject, attention: str) -> None:
    subject = ModelSubject(subject.name, copy.deepcopy(subject.model), subject.processor)
    subject.model.set_attn_implementation(attention)
    shown, prompt = tiny.images(3), subject.prompt(QUESTION, SIZE)
    found = ask(subject, subject.visual_tokens(shown), prompt, CANDIDATES, new_tokens=0)
    for row, image in enumerate(shown):
        steps = [plain(subject, image, prompt, answer) for answer in CANDIDATES]
        assert np.allclose(found.logp[row], [sum(s) for s in steps], atol=1e-4)
        assert np.allclose(found.first[row], [s[0] for s in steps], atol=1e-4)
    assert found.lengths.tolist() == [1, 2, 3, 3]
    assert found.texts == [""] * 3


def test_texts_equal_generate(subject: ModelSubject) -> None:
    shown, prompt = tiny.images(4), subject.prompt(QUESTION, SIZE)
    found = ask(subject, subject.visual_tokens(shown), prompt, CANDIDATES, new_tokens=6)
    inputs = subject.processor(text=[prompt.text] * 4, images=shown, return_tensors="pt")
    written = subject.model.generate(**inputs, do_sample=False, max_new_tokens=6)[:, len(prompt.ids) :]
    assert found.texts == subject.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    assert len(set(found.texts)) > 1  # else the comparison would be hollow


def test_text_stops_at_the_end_token(internvl: ModelSubject) -> None:
    prompt, tokens = internvl.prompt(QUESTION, SIZE), internvl.visual_tokens(tiny.images(2))
    long = ask(internvl, tokens, prompt, CANDIDATES, new_tokens=5).texts
    first = internvl.processor.tokenizer(long[0])["input_ids"]
    subject = ModelSubject("stops", copy.deepcopy(internvl.model), internvl.processor)
    with torch.no_grad():
        out = internvl.model(inputs_embeds=internvl.embed(prompt, tokens)).logits[:, -1].argmax(-1)
    subject.model.generation_config.eos_token_id = [0, int(out[0])]
    stopped = ask(subject, tokens, prompt, CANDIDATES, new_tokens=5).texts
    assert first
    assert stopped[0] == ""
    assert stopped[1] == (long[1] if out[1] != out[0] else "")


def test_results_do_not_depend_on_the_batch(subject: ModelSubject) -> None:
    prompt, tokens = subject.prompt(QUESTION, SIZE), subject.visual_tokens(tiny.images(5))
    one, all_ = (ask(subject, tokens, prompt, CANDIDATES, new_tokens=4, batch=b) for b in (1, 5))
    assert np.allclose(one.logp, all_.logp, atol=1e-4)
    assert one.texts == all_.texts


def dataset(count: int) -> tuple[pd.DataFrame, list[NDArray[np.uint8]]]:
    rows = [
        {"image_id": f"i{k}", "content": f"c{k // 2}", "corpus": "photos", "distortion": "x", "level": 1}
        for k in range(count)
    ]
    table = pd.DataFrame(rows).assign(label=[tiny.LABELS[k % 4] for k in range(count)])
    return table, tiny.images(count, seed=1)


@pytest.fixture(scope="module")
def answers(internvl: ModelSubject) -> pd.DataFrame:
    table, shown = dataset(6)
    tokens = internvl.visual_tokens(shown)
    config = ExamConfig(batch=4, new_tokens=2)
    return examine(internvl, "base", table, shown, tokens, tiny.LABELS, load_templates(), config)


def test_answers_table_holds_every_image_template_and_readout(answers: pd.DataFrame) -> None:
    templates = load_templates()
    assert set(answers) == set(COLUMNS)
    assert len(answers) == 6 * len(templates) * 2
    assert not answers.duplicated(["image_id", "template", "readout"]).any()
    assert dict(zip(answers["template"], answers["template_split"], strict=True)) == {
        t.id: t.split for t in templates
    }
    asked = templates[0].question(tiny.LABELS)
    assert set(answers.loc[answers["template"] == templates[0].id, "prompt"]) == {
        f"USER: <image>{asked} ASSISTANT:"
    }


def test_choose_rows(answers: pd.DataFrame, internvl: ModelSubject) -> None:
    chosen = answers[answers["readout"] == "choose"]
    logp = np.stack(chosen["logp"].tolist())
    assert chosen["predicted"].tolist() == [tiny.LABELS[i] for i in logp.argmax(1)]
    assert (chosen["text"] == "").all()
    assert (chosen["status"] == "label").all()
    assert (chosen["correct"] == (chosen["predicted"] == chosen["label"])).all()
    lengths = [len(internvl.answer_ids(QUESTION, label, SIZE)) for label in tiny.LABELS]
    assert np.allclose(np.stack(chosen["logp_mean"].tolist()) * lengths, logp)
    _, shown = dataset(6)
    row = chosen.iloc[0]
    prompt = internvl.prompt(load_templates()[0].question(tiny.LABELS), SIZE)
    ids = internvl.answer_ids(load_templates()[0].question(tiny.LABELS), tiny.LABELS[0], SIZE)
    assert row["logp"][0] == pytest.approx(sum(plain(internvl, shown[0], prompt, ids)), abs=1e-4)


def test_prior_is_one_for_all_rows(answers: pd.DataFrame, internvl: ModelSubject) -> None:
    chosen = answers[answers["readout"] == "choose"]
    for template, rows in chosen.groupby("template"):
        prior = np.stack(rows["logp_prior"].tolist())
        assert (prior == prior[0]).all(), template
    _, shown = dataset(6)
    question = load_templates()[0].question(tiny.LABELS)
    ids = internvl.answer_ids(question, tiny.LABELS[1], SIZE)
    by_hand = sum(plain(internvl, content_free(shown), internvl.prompt(question, SIZE), ids))
    assert chosen.iloc[0]["logp_prior"][1] == pytest.approx(by_hand, abs=1e-4)


def test_text_without_a_label_is_wrong_and_not_guessed(answers: pd.DataFrame) -> None:
    written = answers[answers["readout"] == "generate"]
    other = written[written["status"] != "label"]
    assert len(other)  # a random model writes nonsense
    assert other["predicted"].isna().all()
    assert not other["correct"].any()
    assert written["logp"].isna().all()


def test_answers_survive_parquet(answers: pd.DataFrame, tmp_path: Path) -> None:
    answers.to_parquet(tmp_path / "answers.parquet", index=False)
    again = pd.read_parquet(tmp_path / "answers.parquet")
    assert list(again) == list(answers)
    assert again["predicted"].isna().tolist() == answers["predicted"].isna().tolist()
    chosen = answers["readout"] == "choose"
    assert again.loc[chosen, "logp"].map(list).tolist() == answers.loc[chosen, "logp"].map(list).tolist()
    assert again["correct"].dtype == bool


def test_content_free_is_the_mean_colour() -> None:
    shown = [np.full((4, 6, 3), value, np.uint8) for value in (10, 21)]
    assert np.array_equal(content_free(shown), np.full((4, 6, 3), 16, np.uint8))  # 15.5 rounds to even


def test_content_questions(internvl: ModelSubject) -> None:
    scenes = content_scenes(tiny.images(3), ["a", "b", "c"], 7, seed=0)
    assert scenes["content"].tolist() == list("abcabca")
    found = examine_content(internvl, "base", scenes)
    assert list(found) == ["image_id", "content", "question", "label", "predicted", "arm", "correct"]
    asked = {(row["image_id"], question) for _, row in scenes.iterrows() for question in row["scene"].answers}
    assert set(zip(found["image_id"], found["question"], strict=True)) == asked
    for _, row in found.iterrows():
        assert row["predicted"] in choices(row["question"])
        assert row["correct"] == (row["predicted"] == row["label"])
