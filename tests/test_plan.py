"""What a plan counts is what PyTorch counts when the work is done, and what a hand finds for LLaVA-1.5-7B."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
import tiny_families  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from eyechart.exam.engine import read  # noqa: E402
from eyechart.exam.forest import Ask  # noqa: E402
from eyechart.exam.readings import Decoding  # noqa: E402
from eyechart.plan import flops  # noqa: E402
from eyechart.plan.activations import kept_of_image, kept_of_text  # noqa: E402
from eyechart.plan.calibrate import Load, dominant, one_layer, product_speed, speeds  # noqa: E402
from eyechart.plan.exam import count, operations  # noqa: E402
from eyechart.plan.flops import COUNTED, ESTIMATED, Costs, costs, patches  # noqa: E402
from eyechart.plan.lengths import ASSUMED, EXACT, unloaded, without_weights  # noqa: E402
from eyechart.plan.steps import frozen_first, step_operations  # noqa: E402
from eyechart.plan.tune import adapters  # noqa: E402
from eyechart.plan.work import work_of  # noqa: E402
from eyechart.subjects.components import components  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.options import LoadOptions  # noqa: E402
from eyechart.tune.arms import arm  # noqa: E402
from eyechart.tune.config import TuneConfig  # noqa: E402
from eyechart.tune.phases import Phase, phases  # noqa: E402
from eyechart.tune.table import activation_bytes  # noqa: E402

SIZE = (112, 112)
QUESTIONS = ("What is the main distortion of this image?", "Which word fits this image best?")
TERA = 1e12


def eager(model_type: str) -> Any:
    """Return a tiny model whose attention multiplies all pairs, which PyTorch counts as they are."""
    model = tiny_families.build(model_type)
    model.set_attn_implementation("eager")
    return model


def counted(work: Callable[[], Any]) -> float:
    """Return the operations that PyTorch counts while some real work is done."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


@pytest.fixture(scope="module")
def llava_7b() -> tuple[Any, Costs]:
    """Return LLaVA-1.5-7B without weights (its class's default configuration is it), and its costs."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    with torch.device("meta"):
        model = LlavaForConditionalGeneration._from_config(LlavaConfig(), attn_implementation="eager")
    return model, costs(model, {"pixel_values": torch.zeros(1, 3, 336, 336)}, 576)


@pytest.mark.parametrize("model_type", ["llava", "llava_next", "gemma3", "paligemma", "internvl"])
def test_a_forward_pass_costs_what_torch_counts(model_type: str) -> None:
    model = eager(model_type).requires_grad_(False)
    inputs = tiny_families.inputs(model, 0)
    rows, length = inputs["input_ids"].shape
    with torch.no_grad():
        real = counted(lambda: model(**inputs))
    with torch.device("meta"):
        empty = type(model)._from_config(model.config, attn_implementation="eager")
    seen = {name: value for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
    found = costs(empty, seen, 1)
    text = rows * (found.language.passing(length, length) + found.language.head * length)
    assert found.vision + found.projector + text == real  # pixels of both rows
    assert set(found.counted.values()) == {COUNTED}


def test_a_family_whose_code_needs_values_is_counted_by_its_parameters() -> None:
    model = eager("qwen2_vl").requires_grad_(False)
    inputs = tiny_families.inputs(model, 0)
    visual = int((inputs["input_ids"] == tiny_families.IMAGE).sum())
    with torch.no_grad():
        real = counted(
            lambda: model.model.get_image_features(inputs["pixel_values"], inputs["image_grid_thw"])
        )
    with torch.device("meta"):
        empty = type(model)._from_config(model.config)
    found = costs(empty, inputs, visual)
    assert found.counted == {"vision": ESTIMATED, "projector": ESTIMATED, "language": COUNTED}
    assert found.vision + found.projector == pytest.approx(real, rel=0.3)
    assert patches(empty, inputs) == 32


def test_llava_7b_by_hand(llava_7b: tuple[Any, Costs]) -> None:
    model, found = llava_7b
    width, inner, layers = 4096, 11008, 32
    matrices = layers * (4 * width**2 + 3 * width * inner)
    assert found.language.token == 2 * matrices
    assert found.language.pair == 4 * width * layers
    assert found.language.head == 2 * width * model.config.get_text_config().vocab_size
    # 656 tokens: 8.84 TFLOP by 2 x parameters x tokens; the vision encoder 0.38.
    whole = found.language.passing(656, 656) + found.language.head * 656
    assert whole / TERA == pytest.approx(8.84, rel=0.02)
    assert found.vision / TERA == pytest.approx(0.38, abs=0.01)
    # Keys and values of one image in 16 bits: 302 MB.
    assert 2 * found.language.remembered * 576 / 1e6 == pytest.approx(302, abs=0.5)


def test_tuning_llava_7b_costs_what_the_hand_found() -> None:
    vision, language = 0.38, 8.84
    forward = {"vision": vision, "projector": 0.0, "language": language}

    def cost(train: str, *, through: bool = True, kept: bool = True) -> float:
        phase = Phase("one", arm(train).train, 1, 1, through)
        return sum(step_operations(forward, phase, kept=kept).values())

    assert cost("all") == pytest.approx(27.7, abs=0.05)
    assert cost("language", kept=False) == pytest.approx(26.9, abs=0.05)
    assert cost("language") == pytest.approx(26.5, abs=0.05)
    assert cost("projector") == pytest.approx(17.7, abs=0.05)
    assert cost("vision") == pytest.approx(18.8, abs=0.05)
    assert cost("vision", through=False) == pytest.approx(1.14, abs=0.005)
    assert cost("all") / cost("vision", through=False) == pytest.approx(24, abs=0.5)


@pytest.mark.parametrize("train", ["vision", "projector", "vision+projector", "language", "all"])
def test_a_training_step_costs_what_torch_counts(train: str) -> None:
    model = eager("internvl").train()  # LLaVA's last layer of the encoder gets no gradient
    inputs = tiny_families.inputs(model, 0)
    rows, length = inputs["input_ids"].shape
    chosen = arm(train).train
    for component, part in components(model).items():
        for parameter in part.values():
            parameter.requires_grad_(component in chosen)
    real = counted(lambda: model(**inputs).logits.sum().backward())
    with torch.device("meta"):
        empty = type(model)._from_config(model.config, attn_implementation="eager")
    found = costs(empty, {"pixel_values": inputs["pixel_values"]}, 1)
    language = rows * (found.language.passing(length, length) + found.language.head * length)
    forward = {"vision": found.vision, "projector": found.projector, "language": language}
    told = step_operations(forward, Phase("answer", chosen, 1, rows, True), kept=False)
    pixels = 0  # get no gradient, which matters where an encoder has two layers
    if "vision" in chosen:
        (patch,) = (module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
        pixels = 2 * rows * 16 * patch.weight.numel()
    assert sum(told.values()) - pixels == pytest.approx(real, rel=0.02)


@pytest.mark.parametrize("scheme", ["shared", "prompt", "stepwise", "plain"])
def test_an_exam_costs_what_torch_counts(subject: ModelSubject, scheme: Any) -> None:
    asks = [
        Ask(subject.prompt(q, SIZE), tuple(subject.answer_ids(q, label, SIZE) for label in tiny.LABELS))
        for q in QUESTIONS
    ]
    subject.model.requires_grad_(False)
    ends = subject.model.generation_config.eos_token_id
    decoding = Decoding(new_tokens=3, repeats=1)
    seeds = [[[1]], [[2]]]
    texts = read(subject, tiny.images(1), asks, decoding, seeds, scheme="shared")
    real = counted(lambda: read(subject, tiny.images(1), asks, decoding, seeds, scheme=scheme))
    told = operations(work_of(asks, scheme, 3, 2), count(subject, asks, SIZE))
    assert texts
    assert ends is not None
    # Texts may end early, and a beginning's prediction may be all positions': the rest must agree.
    assert sum(told.values()) == pytest.approx(real, rel=0.1)


def test_prompts_have_their_length_without_weights(subject: ModelSubject, tmp_path: Path) -> None:
    subject.model.save_pretrained(tmp_path)
    subject.processor.save_pretrained(tmp_path)
    for weights in tmp_path.glob("*.safetensors"):
        weights.unlink()
    empty = unloaded(str(tmp_path), LoadOptions())
    assert empty.lengths == EXACT
    assert empty.prompt(QUESTIONS[0], SIZE) == subject.prompt(QUESTIONS[0], SIZE)
    assert empty.answer_ids(QUESTIONS[0], "blur", SIZE) == subject.answer_ids(QUESTIONS[0], "blur", SIZE)


def test_lengths_are_assumed_where_there_is_no_processor(llava: ModelSubject, tmp_path: Path) -> None:
    llava.model.config.save_pretrained(tmp_path)
    empty = unloaded(str(tmp_path), LoadOptions())
    assert empty.lengths == ASSUMED
    one, two = (empty.prompt(question, SIZE) for question in (QUESTIONS[0], QUESTIONS[0][:20]))
    assert len(one.image_positions) == 16
    assert len(one.ids) == 16 + 11  # 42 characters
    assert one.ids[: 16 + 5] == two.ids
    assert len(empty.answer_ids(QUESTIONS[0], "compression", SIZE)) == 4


@pytest.mark.parametrize("train", ["vision", "projector", "language", "all"])
def test_what_a_backward_pass_needs_is_told_without_values(subject: ModelSubject, train: str) -> None:
    import copy

    model, empty, chosen = copy.deepcopy(subject.model), without_weights(subject), arm(train).train
    for component, part in components(model).items():
        for parameter in part.values():
            parameter.requires_grad_(component in chosen)
    seen = subject.inputs(tiny.images(1), subject.conversation(QUESTIONS[0]))
    text = kept_of_text(empty, seen["input_ids"].shape[1], chosen)
    found = kept_of_image(empty, seen, patches(empty, seen), chosen) + text
    # Of two layers, the one that LLaVA does not read is a tenth of all; predictions are not told.
    assert found == pytest.approx(activation_bytes(model, seen), rel=0.12)
    assert not any(parameter.requires_grad for parameter in empty.parameters())


def test_adapters_have_as_many_parameters_as_peft_gives_them(llava: ModelSubject) -> None:
    import copy

    from peft import LoraConfig, get_peft_model

    model = copy.deepcopy(llava.model)
    names = "|".join(f"{x}_proj" for x in ("q", "k", "v", "o", "gate", "up", "down"))
    tuned = get_peft_model(model, LoraConfig(r=4, target_modules=rf".*language_model.*({names})"))
    real = sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    assert adapters(llava.model, ("language",), 4) == {"language": real}


def test_what_is_frozen_and_comes_first_is_kept() -> None:
    found = [frozen_first(one) for one in phases(arm("vision+projector"), TuneConfig())]
    assert found == [("vision",), (), ()]
    assert frozen_first(phases(arm("language"), TuneConfig())[0]) == ("vision", "projector")


def test_the_shape_in_which_most_parameters_lie(llava_7b: tuple[Any, Costs]) -> None:
    assert dominant(llava_7b[0]) == {
        "vision": (1024, 1024),  # the four of attention hold as much as each of the two others
        "projector": (4096, 4096),
        "language": (4096, 11008),
    }


def test_speeds_are_those_of_a_layer_where_one_runs(subject: ModelSubject) -> None:
    cpu, empty = torch.device("cpu"), without_weights(subject)
    thin = one_layer(empty, False, cpu)
    layers = [m for m in thin.modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
    assert [len(module) for module in layers] == [1] * len(layers)
    assert layers
    seen = subject.inputs(tiny.images(1), subject.conversation(QUESTIONS[0]))
    found = speeds(empty, Load(2, seen, 20), False, cpu)
    assert set(found) == {"vision", "projector", "language", "predictions"}
    assert all(1e6 < value < 1e15 for value in found.values())
    # A layer of this size is far slower than its products alone.
    assert found["language"] < product_speed(40, (64, 96), empty, cpu)
    assert all(parameter.is_meta for parameter in empty.parameters())


def test_nothing_of_a_model_is_changed_by_counting(llava: ModelSubject) -> None:
    import copy

    model = copy.deepcopy(without_weights(llava)).requires_grad_(True)
    flops.costs(model, {"pixel_values": torch.zeros(1, 3, 56, 56)}, 16)
    assert all(parameter.requires_grad for parameter in model.parameters())
