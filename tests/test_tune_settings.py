"""What a user may set does what it says: adapters, parts of a batch, schedules, sizes, early stopping."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
import tiny_families  # noqa: E402
import tune_process  # noqa: E402
from transformers import (  # noqa: E402
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
)

from eyechart.arms import lesson_of  # noqa: E402
from eyechart.dataset import DatasetConfig, build_dataset  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.plan.tune import Shown as Planned  # noqa: E402
from eyechart.seeds import rng  # noqa: E402
from eyechart.subjects.components import components  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.nano.assemble import CHAT_TEMPLATE, IMAGE_TOKEN  # noqa: E402
from eyechart.subjects.options import LoadOptions  # noqa: E402
from eyechart.tune.arms import arm  # noqa: E402
from eyechart.tune.batches import held_out  # noqa: E402
from eyechart.tune.config import TuneConfig, tune_config  # noqa: E402
from eyechart.tune.lesson import Lesson  # noqa: E402
from eyechart.tune.tokens import is_plain  # noqa: E402
from eyechart.tune.train import Tuned, tune  # noqa: E402
from eyechart.tune.whole import answered  # noqa: E402

SIDE = tiny_families.SIDE
SHORT: dict[str, Any] = {"projector_steps": 3, "alignment_steps": 4, "steps": 4, "batch": 4}

pytestmark = pytest.mark.filterwarnings("ignore")


def _subject(model_type: str, processor: Any, **ids: int) -> ModelSubject:
    model = tiny_families.build(model_type)
    for name, value in ids.items():
        setattr(model.config, name, value)
    model.generation_config.eos_token_id = tiny.tokenizer().eos_token_id
    return ModelSubject(f"tiny-{model_type}", model, processor)


def llava_next() -> ModelSubject:
    """Return a subject that cuts images into tiles: how many depends on the size."""
    size = {"shortest_edge": SIDE}
    images = LlavaNextImageProcessorPil(
        size=size,
        crop_size={"height": SIDE, "width": SIDE},
        image_grid_pinpoints=[[SIDE, 2 * SIDE], [2 * SIDE, SIDE]],
    )
    processor = LlavaNextProcessor(
        images, tiny.tokenizer(), tiny_families.PATCH, "default", CHAT_TEMPLATE, IMAGE_TOKEN, 1
    )
    return _subject(
        "llava_next", processor, image_token_id=tiny.tokenizer().convert_tokens_to_ids(IMAGE_TOKEN)
    )


def gemma3() -> ModelSubject:
    """Return a subject whose image positions see one another both ways."""
    tokenizer = copy.deepcopy(tiny.tokenizer())
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN, "<soi>", "<eoi>"]})
    tokenizer.boi_token, tokenizer.eoi_token, tokenizer.image_token = "<soi>", "<eoi>", IMAGE_TOKEN
    tokenizer.boi_token_id = tokenizer.convert_tokens_to_ids("<soi>")
    tokenizer.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE}),
        tokenizer,
        CHAT_TEMPLATE.replace(IMAGE_TOKEN, "<soi>"),
        image_seq_length=4,
    )
    return _subject("gemma3", processor, image_token_id=tokenizer.image_token_id)


def mixed() -> Lesson:
    """Return 6 images of two shapes, of three contents."""
    tall = tiny.images(3, side=112)
    images = [*tall, *(image[:56] for image in tall)]
    return Lesson(
        images, np.arange(6) % 4, tiny.LABELS, ("What is wrong?", "Name it."), contents=tuple("abcabc")
    )


def fresh(subject: ModelSubject, name: str, **settings: Any) -> Tuned:
    return tune(copy.deepcopy(subject), arm(name), mixed(), TuneConfig(**{**SHORT, **settings}), seed=0)


@pytest.mark.parametrize("make", [llava_next, gemma3])
@pytest.mark.parametrize("name", ["projector", "all"])
def test_families_that_are_not_plain_are_tuned_on_images_of_mixed_sizes(make: Any, name: str) -> None:
    subject = make()
    assert not is_plain(subject, mixed())
    tuned = fresh(subject, name)
    assert tuned.proof["ok"]
    assert tuned.losses["loss"].notna().all()
    assert tuned.losses["lm"].notna().sum() == SHORT["steps"]
    rates = {"vision": 3e-3, "projector": 1e-2, "language": 2e-2}
    learnt = fresh(
        subject, name, projector_steps=0, alignment_steps=0, steps=30, learning_rates=rates, answer_rate=1
    ).losses["lm"]
    assert learnt.tail(5).mean() < 0.95 * learnt.head(5).mean()


def test_the_fast_way_equals_the_models_own_forward_pass(
    internvl: ModelSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = {name: fresh(internvl, name) for name in ("projector", "language", "all")}
    monkeypatch.setattr("eyechart.tune.course.is_plain", lambda *_: False)
    for name, tuned in fast.items():
        slow = fresh(internvl, name)
        columns = ["loss", "lm", "alignment"]
        assert np.allclose(tuned.losses[columns], slow.losses[columns], atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("parts", [2, 4])
def test_a_batch_in_parts_has_the_losses_of_the_whole(internvl: ModelSubject, parts: int) -> None:
    whole, cut = fresh(internvl, "all"), fresh(internvl, "all", accumulate=parts)
    columns = ["loss", "lm", "alignment", "learning_rate"]
    assert np.allclose(whole.losses[columns], cut.losses[columns], atol=1e-4, equal_nan=True)
    with pytest.raises(EyechartError, match="does not divide"):
        fresh(internvl, "projector", accumulate=3)


def test_gradient_checkpointing_computes_twice_and_changes_nothing_else(internvl: ModelSubject) -> None:
    found = []
    for wanted in (False, True):
        pupil = copy.deepcopy(internvl)
        calls: list[int] = []
        layers = (pupil.model.get_encoder(modality="image").encoder.layer[0], pupil.language.layers[0])
        for layer in layers:  # hooks of the layer itself are not called again
            inner = next(module for module in layer.modules() if isinstance(module, torch.nn.Linear))
            inner.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        config = TuneConfig(**SHORT, gradient_checkpointing=wanted)
        found.append((tune(pupil, arm("all"), mixed(), config, seed=0).losses, len(calls)))
    (plain, once), (saved, twice) = found
    assert np.allclose(plain["loss"], saved["loss"], atol=1e-5)
    assert twice >= once + SHORT["alignment_steps"] + 2 * SHORT["steps"]


@pytest.mark.parametrize("component", ["vision", "projector", "language"])
def test_adapters_change_linear_layers_of_their_component_alone(
    internvl: ModelSubject, component: str
) -> None:
    pupil = copy.deepcopy(internvl)
    before = {name: p.detach().clone() for name, p in pupil.model.named_parameters()}
    config = TuneConfig(**SHORT, lora=("vision", "projector", "language"), lora_rank=2)
    proof = tune(pupil, arm(component), mixed(), config, seed=0).proof["components"][component]
    moved = {n for n, p in pupil.model.named_parameters() if not torch.equal(p, before[n])}
    linear = {
        f"{name}.weight"
        for name, module in pupil.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    assert moved == linear & set(components(pupil.model)[component])
    assert proof["trainable"] < proof["parameters"]


def test_full_training_of_the_language_model(internvl: ModelSubject) -> None:
    proof = fresh(internvl, "language", lora=()).proof["components"]["language"]
    assert proof["trainable"] == proof["parameters"]
    assert proof["changed_tensors"] == proof["tensors"]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0, 0.5, 1, 1, 1, 1, 1, 1]),
        ("linear", [0, 0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ("cosine", [0, 0.5, *(0.5 + 0.5 * np.cos(np.pi * np.arange(6) / 6))]),
    ],
)
def test_schedules(internvl: ModelSubject, schedule: str, rates: list[float]) -> None:
    losses = fresh(internvl, "language", steps=8, schedule=schedule).losses
    assert np.allclose(losses["learning_rate"] / 5e-4, rates)


def test_early_stopping_goes_back_to_the_best(internvl: ModelSubject) -> None:
    """At such a rate the held-out loss rises soon."""
    pupil, lesson = copy.deepcopy(internvl), tune_process.lesson()
    stop = {"patience": 2, "evaluate_every": 2, "held_out": 0.5}
    config = TuneConfig(
        steps=40, batch=4, lora=(), learning_rates={"language": 0.1}, schedule="constant", **stop
    )
    losses = tune(pupil, arm("language"), lesson, config, seed=0).losses
    held = losses["held_out"].dropna()
    assert len(losses) < 40
    assert len(held) == len(losses) // 2
    assert held.idxmin() == losses.index[-1] - 4  # two evaluations before the last
    kept = np.flatnonzero(held_out(lesson, 0.5, rng(0, "held out"))).tolist()
    with torch.no_grad():
        now = [
            answered(pupil, [lesson.images[row]], lesson.questions[0], [label(pupil, lesson, row)])[1].item()
            for row in kept
        ]
    assert np.mean(now) == pytest.approx(held.min(), abs=1e-4)


def label(subject: ModelSubject, lesson: Lesson, row: int) -> tuple[int, ...]:
    return subject.answer_ids(lesson.questions[0], lesson.labels[lesson.targets[row]], lesson.size(row))


def test_constraints_each_have_a_curve(internvl: ModelSubject) -> None:
    task = mixed()
    lesson = Lesson(
        task.images, np.array([0, 1, 2, 3, 0, 1]), task.labels, task.questions, (), task.contents, (),
        np.array([False] * 3 + [True] * 3),
    )  # fmt: skip
    weights = {"alignment": 0.2, "contrast": 0.4, "preserve": 0.1}
    config = TuneConfig(**{**SHORT, "batch": 6}, constraints=weights)
    losses = tune(copy.deepcopy(internvl), arm("vision"), lesson, config, seed=0).losses
    assert losses[list(weights)].notna().all().all()
    answer = losses[losses["phase"] == "answer"]
    names, values = list(weights), np.array(list(weights.values()))
    assert np.allclose(answer["loss"], answer["lm"] + answer[names].to_numpy() @ values, atol=1e-4)
    aligned = losses[losses["phase"] == "alignment"]
    assert np.allclose(aligned["loss"], aligned[names].to_numpy() @ values / 0.4, atol=1e-4)


def test_impossible_settings_are_told() -> None:
    with pytest.raises(EyechartError, match=r"constraints is wrong: .* 'words' is none of alignment"):
        tune_config({"constraints": {"words": 1.0}})
    with pytest.raises(EyechartError, match="stpes"):
        tune_config({"stpes": 1})
    assert tune_config({"constraints": {"alignment": 0.0}}).constraints == {}


def test_what_cannot_train_is_told(internvl: ModelSubject, tmp_path: Path) -> None:
    config = DatasetConfig(name="bare", train_images=0, test_contents=2, levels=(3,))
    bare = build_dataset(config, tmp_path)
    with pytest.raises(EyechartError, match="no train images"):
        lesson_of(bare)
    with pytest.raises(EyechartError, match="no train images"):
        Planned.of(internvl, bare, "What is it?")
    with pytest.raises(EyechartError, match="float16 cannot be tuned"):
        LoadOptions(dtype="float16").refuse_tuning()
    LoadOptions(dtype="bfloat16").refuse_tuning()
