"""Tuning minimises what it says, changes what it was asked to and nothing else, and can be repeated."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from scipy.special import log_softmax
from transformers import AutoModelForImageTextToText

from eyechart.arms import save_checkpoint
from eyechart.errors import EyechartError
from eyechart.exam.engine import read
from eyechart.exam.forest import Ask
from eyechart.seeds import rng
from eyechart.subjects.components import COMPONENTS, components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.features import projector_inputs
from eyechart.tune.loss import DRIFT, OTHERS, Alignment, answer_losses
from eyechart.tune.phases import Lesson, batches
from eyechart.tune.proof import prove, snapshot
from eyechart.tune.train import Tuned, tune

SIZE = (112, 112)
QUESTION = "What is the main distortion of this image?"
ARMS = ("projector", "vision", "vision+projector", "language", "all")
SHORT = TuneConfig(projector_steps=3, alignment_steps=5, steps=4, batch=4)


def lesson(count: int = 8) -> Lesson:
    """Return a toy task that can be learnt: dark images are blur, bright ones are noise."""
    targets = np.arange(count) % 2
    draw = np.random.default_rng(0)
    shown = [draw.integers(0, 60, (112, 112, 3)) + 190 * int(target) for target in targets]
    return Lesson([image.astype(np.uint8) for image in shown], targets, ("blur", "noise"), QUESTION)


def test_answer_losses_equal_transformers_own(subject: ModelSubject) -> None:
    shown = tiny.images(3)
    questions = ["What is the main distortion?", "Which word fits this image best: blur, noise?", "Name it."]
    labels = ["blur", "compression", "clean"]  # answers of 2, 5 and 2 tokens
    prompts = [subject.prompt(q, SIZE) for q in questions]
    answers = [subject.answer_ids(q, a, SIZE) for q, a in zip(questions, labels, strict=True)]
    with torch.no_grad():
        found = answer_losses(subject, torch.stack(subject.visual_tokens(shown)), prompts, answers)
        for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
            own = subject.model(
                input_ids=torch.tensor([[*prompt.ids, *answer]]),
                pixel_values=subject.pixel_values([shown[row]]),
                labels=torch.tensor([[-100] * len(prompt.ids) + list(answer)]),
            ).loss
            assert found[row].item() == pytest.approx(own.item(), abs=1e-4)


def test_alignment_equals_numpy(internvl: ModelSubject) -> None:
    tokens = torch.stack(internvl.visual_tokens(tiny.images(5)))
    targets = np.array([0, 1, 2, 3, 0])
    constraint = Alignment(internvl, tiny.LABELS)
    table = internvl.model.get_input_embeddings().weight.detach().double().numpy()
    drawn = rng(0, "negatives").choice(len(table), min(OTHERS, len(table)), replace=False)
    ids = [internvl.processor.tokenizer(f" {label}")["input_ids"] for label in tiny.LABELS]
    words = np.concatenate([np.stack([table[i].mean(0) for i in ids]), table[drawn]]) - table.mean(0)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    visual = tokens.double().numpy()
    away = visual - table.mean(0)
    cosine = (away / np.linalg.norm(away, axis=2, keepdims=True) @ words.T).mean(1)
    by_hand = -log_softmax(10 * cosine, axis=1)[np.arange(5), targets].mean()
    lengths = np.linalg.norm(visual, axis=2) / np.linalg.norm(table, axis=1).mean()
    by_hand += DRIFT * ((lengths - 1) ** 2).mean()
    assert constraint.loss(tokens, torch.from_numpy(targets)).item() == pytest.approx(by_hand, rel=1e-4)


def test_alignment_of_a_perfect_image(internvl: ModelSubject) -> None:
    """Tokens that are the word itself: cosine 1 with it, so the loss follows from the other cosines alone."""
    constraint = Alignment(internvl, tiny.LABELS)
    tokens = internvl.word_embedding("noise").expand(1, 16, -1)
    logits = constraint.logits(tokens)[0]
    assert logits.argmax() == 1
    assert logits[1].item() == pytest.approx(10, abs=1e-4)  # temperature 1/10 at the start


@pytest.mark.parametrize("name", ARMS)
def test_arm_changes_exactly_its_components(pupil: ModelSubject, name: str) -> None:
    before = {n: p.detach().clone() for n, p in pupil.model.named_parameters()}
    tuned = tune(pupil, arm(name), lesson(), SHORT, seed=0)
    asked = arm(name).train
    assert tuned.proof["ok"]
    assert tuned.proof["asked"] == list(asked)
    moved = {n for n, p in pupil.model.named_parameters() if not torch.equal(p, before[n])}
    assert set(before) == {n for n, _ in pupil.model.named_parameters()}  # the adapter is gone
    for component, parameters in components(pupil.model).items():
        row = tuned.proof["components"][component]
        assert row["changed_tensors"] == len(moved & set(parameters))
        assert (row["changed_tensors"] > 0) == (component in asked)
        assert (row["sha256_before"] == row["sha256_after"]) == (component not in asked)
        assert (row["relative_change"] > 0) == (component in asked)
        assert row["parameters"] == sum(p.numel() for p in parameters.values())
    assert not any(p.requires_grad for p in pupil.model.parameters())
    steps = {
        "projector": 3 if "projector" in asked else 0,
        "alignment": 5 if "vision" in asked else 0,
        "answer": 4,
    }
    assert tuned.losses["phase"].tolist() == [phase for phase, count in steps.items() for _ in range(count)]


def test_losses_table(internvl: ModelSubject) -> None:
    losses = tune(copy.deepcopy(internvl), arm("projector"), lesson(), SHORT, seed=0).losses
    assert list(losses) == ["step", "phase", "seconds", "loss", "lm", "alignment", "learning_rate"]
    assert losses["step"].tolist() == list(range(7))
    assert losses["seconds"].is_monotonic_increasing
    assert losses["lm"].isna().tolist() == [True] * 3 + [False] * 4
    both = losses.iloc[3:]
    assert np.allclose(both["loss"], both["lm"] + SHORT.alignment * both["alignment"], atol=1e-5)
    assert np.allclose(losses["loss"][:3], losses["alignment"][:3])


def test_proof_finds_a_frozen_tensor_that_moved(pupil: ModelSubject) -> None:
    for component in COMPONENTS:
        before = snapshot(pupil.model)
        asked = tuple(c for c in COMPONENTS if c != component)
        with torch.no_grad():
            for parameters in components(pupil.model).values():
                next(iter(parameters.values())).flatten()[0] += 1
        with pytest.raises(EyechartError, match=f"1 tensors of {component} changed, which was not"):
            prove(before, pupil.model, asked)


def test_proof_finds_a_frozen_tensor_that_became_nan(pupil: ModelSubject) -> None:
    before = snapshot(pupil.model)
    with torch.no_grad():
        next(iter(components(pupil.model)["vision"].values())).fill_(float("nan"))
    with pytest.raises(EyechartError, match="vision are not finite"):
        prove(before, pupil.model, ("projector",))


@pytest.mark.parametrize("component", COMPONENTS)
def test_proof_finds_a_chosen_component_that_did_not_move(subject: ModelSubject, component: str) -> None:
    with pytest.raises(EyechartError, match=f"no tensor of {component} changed"):
        prove(snapshot(subject.model), subject.model, (component,))


def test_proof_of_a_model_in_bfloat16(internvl: ModelSubject) -> None:
    model = copy.deepcopy(internvl.model).bfloat16()
    before = snapshot(model)
    with torch.no_grad():
        next(iter(components(model)["projector"].values())).add_(1)
    assert prove(before, model, ("projector",))["components"]["projector"]["changed_tensors"] == 1


def test_cached_projector_inputs_give_the_same_tokens(subject: ModelSubject, tmp_path: Path) -> None:
    """Storage in bfloat16 keeps 8 bits: tokens agree within 2 % of their spread; reading changes nothing."""
    shown, cache = lesson().images, tmp_path / "deep" / "features.safetensors"
    made = projector_inputs(subject, shown, cache, batch=3)
    assert torch.equal(made, projector_inputs(subject, [], cache))
    assert torch.equal(made, projector_inputs(subject, shown, None, batch=8))
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
    with torch.no_grad():
        tokens = subject.projector(made.float())
    direct = torch.stack(subject.visual_tokens(shown))
    assert (tokens - direct).abs().max() < 0.02 * direct.std()


def same(a: Tuned, b: Tuned) -> bool:
    left, right = (t.losses.drop(columns="seconds") for t in (a, b))
    hashes = [[row["sha256_after"] for row in t.proof["components"].values()] for t in (a, b)]
    return left.equals(right) and hashes[0] == hashes[1]


@pytest.mark.parametrize("name", ["projector", "vision+projector", "language", "all"])
def test_cache_does_not_change_tuning(internvl: ModelSubject, name: str, tmp_path: Path) -> None:
    cache = tmp_path / "kept"
    runs = [
        tune(copy.deepcopy(internvl), arm(name), lesson(), SHORT, seed=0, cache=path)
        for path in (None, cache, cache)
    ]
    assert same(runs[0], runs[1])
    assert same(runs[0], runs[2])


def test_same_seed_gives_the_same_weights(internvl: ModelSubject) -> None:
    runs = [tune(copy.deepcopy(internvl), arm("all"), lesson(), SHORT, seed=seed) for seed in (0, 0, 1)]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


@pytest.mark.parametrize("name", ARMS)
def test_learns_a_toy_task(internvl: ModelSubject, name: str) -> None:
    pupil, task = copy.deepcopy(internvl), lesson()
    rates = {"vision": 3e-3, "projector": 1e-2, "language": 2e-2}
    config = TuneConfig(
        projector_steps=0, alignment_steps=0, steps=40, batch=8, learning_rates=rates, answer_rate=1
    )
    losses = tune(pupil, arm(name), task, config, seed=0).losses["lm"]
    assert losses.iloc[-3:].mean() < 0.6 * losses.iloc[0]
    candidates = tuple(pupil.answer_ids(QUESTION, label, SIZE) for label in task.labels)
    found = read(pupil, task.images, [Ask(pupil.prompt(QUESTION, SIZE), candidates)])[0]
    assert (found.logp.argmax(1) == task.targets).all()


def test_matrix_products_in_bfloat16_leave_weights_in_float32(internvl: ModelSubject) -> None:
    exact, fast = copy.deepcopy(internvl), copy.deepcopy(internvl)
    fast.compute = "bfloat16"
    losses = [tune(pupil, arm("all"), lesson(), SHORT, seed=0).losses["loss"] for pupil in (exact, fast)]
    assert {p.dtype for p in fast.model.parameters()} == {torch.float32}
    assert losses[0].iloc[0] == pytest.approx(losses[1].iloc[0], rel=0.02)
    assert losses[0].iloc[0] != losses[1].iloc[0]


def test_too_few_steps_for_the_schedule_are_explained(internvl: ModelSubject) -> None:
    for steps in (1, 2):
        with pytest.raises(EyechartError, match="at least 3"):
            tune(
                copy.deepcopy(internvl), arm("projector"), lesson(), TuneConfig(projector_steps=steps), seed=0
            )
    tuned = tune(copy.deepcopy(internvl), arm("language"), lesson(), TuneConfig(steps=3, batch=2), seed=0)
    assert len(tuned.losses) == 3


def test_every_epoch_shows_every_image() -> None:
    rows = np.concatenate(list(batches(10, 4, 5, np.random.default_rng(0))))
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()


@pytest.mark.parametrize("name", ["language", "all"])
def test_checkpoint_reloads_with_identical_outputs(pupil: ModelSubject, name: str, tmp_path: Path) -> None:
    tune(pupil, arm(name), lesson(), SHORT, seed=0)
    save_checkpoint(pupil, tmp_path)
    again: Any = AutoModelForImageTextToText.from_pretrained(tmp_path, attn_implementation="eager")
    prompt = pupil.prompt(QUESTION, SIZE)
    inputs = pupil.processor(text=[prompt.text] * 2, images=tiny.images(2), return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(again(**inputs).logits, pupil.model(**inputs).logits)
    assert type(again) is type(pupil.model)


def test_arm_names() -> None:
    assert arm("base").train == ()
    assert arm("all").train == COMPONENTS
    assert arm("projector+vision").train == ("vision", "projector")
    with pytest.raises(EyechartError, match="did you mean projector"):
        arm("projecter")
