"""mPLUG-Owl2 with random weights behaves as any image-text-to-text model; no recorded outputs are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from owl import apart, tiny_config, tiny_model, tiny_processor
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    StaticCache,
)

from eyechart.errors import EyechartError
from eyechart.exam.engine import read
from eyechart.exam.forest import Ask
from eyechart.exam.readings import Decoding
from eyechart.models.mplug_owl2.abstractor import grid_positions, query_positions
from eyechart.models.mplug_owl2.images import PAD_COLOUR, square
from eyechart.subjects.components import components, groups, projector_of
from eyechart.subjects.model import ModelSubject
from eyechart.tune.lora import adapt
from eyechart.tune.loss import answer_losses

TEXTS = (
    "USER: <|image|>blur? ASSISTANT:",
    "USER: <|image|> or <|image|>: which is good? ASSISTANT:",
    "USER: hi",
)


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model()


@pytest.fixture(scope="module")
def processor() -> Any:
    return tiny_processor()


def noise(count: int) -> list[Any]:
    draw = np.random.default_rng(3)
    return [draw.integers(0, 256, (28, 28, 3), np.uint8) for _ in range(count)]


def given(processor: Any, side: str = "left") -> Any:
    return processor(text=list(TEXTS), images=noise(3), padding=True, padding_side=side, return_tensors="pt")


def alone(processor: Any) -> list[Any]:
    pictures = noise(3)
    images = [pictures[:1], pictures[1:], None]
    return [processor(text=t, images=i, return_tensors="pt") for t, i in zip(TEXTS, images, strict=True)]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_row_of_a_batch_equals_the_row_alone(model: Any, processor: Any, side: str) -> None:
    batch = given(processor, side)
    with torch.no_grad():
        together = model(**batch).logits
        for row, single in enumerate(alone(processor)):
            mine = together[row][batch["attention_mask"][row].bool()]
            assert apart(mine, model(**single).logits[0]) < 1e-5


def test_text_is_the_same_with_and_without_cache_alone_and_in_a_batch(model: Any, processor: Any) -> None:
    batch = given(processor)
    start = batch["input_ids"].shape[1]
    options = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": 2, "eos_token_id": None}
    written = model.generate(**batch, **options)[:, start:].tolist()
    assert model.generate(**batch, use_cache=False, **options)[:, start:].tolist() == written
    static = StaticCache(model.config, max_cache_len=start + 8)
    assert model.generate(**batch, past_key_values=static, **options)[:, start:].tolist() == written
    for single, expected in zip(alone(processor), written, strict=True):
        length = single["input_ids"].shape[1]
        assert model.generate(**single, **options)[0, length:].tolist() == expected
    without = {name: value for name, value in batch.items() if name != "mm_token_type_ids"}
    assert model.generate(**without, **options)[:, start:].tolist() == written


def test_beams_keep_each_rows_images(model: Any, processor: Any) -> None:
    options = {
        "max_new_tokens": 6,
        "num_beams": 3,
        "do_sample": False,
        "pad_token_id": 2,
        "eos_token_id": None,
    }
    batch = given(processor)
    written = model.generate(**batch, **options)[:, batch["input_ids"].shape[1] :].tolist()
    for single, expected in zip(alone(processor), written, strict=True):
        assert model.generate(**single, **options)[0, single["input_ids"].shape[1] :].tolist() == expected


def test_embeddings_with_types_equal_ids_with_images(model: Any, processor: Any) -> None:
    single = alone(processor)[1]
    with torch.no_grad():
        tokens = model.get_image_features(single["pixel_values"]).pooler_output
        image = single["mm_token_type_ids"] == 1
        embedded = model.get_input_embeddings()(single["input_ids"])
        embedded[image] = tokens.flatten(0, 1)
        expected = model(**single).logits
        found = model(inputs_embeds=embedded, mm_token_type_ids=image.long()).logits
        as_text = model(
            inputs_embeds=embedded, mm_token_type_ids=torch.zeros_like(single["input_ids"])
        ).logits
    assert torch.equal(found, expected)
    assert apart(as_text, expected) > 1e-2


def test_what_does_not_fit_is_refused(model: Any, processor: Any) -> None:
    single = alone(processor)[0]
    with pytest.raises(EyechartError, match="6 image positions, the images fill 0"):
        model(input_ids=single["input_ids"])
    with pytest.raises(EyechartError, match="6 image positions, the images fill 12"):
        model(input_ids=single["input_ids"], pixel_values=single["pixel_values"].repeat(2, 1, 1, 1))
    with pytest.raises(EyechartError, match="mm_token_type_ids"):
        model(inputs_embeds=torch.zeros(1, 4, 48))
    with pytest.raises(EyechartError, match="shape"):
        model.get_image_features(torch.zeros(1, 3, 30, 30))


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ("visual_abstractor", "grid_size", 3, "grid"),
        ("visual_abstractor", "encoder_hidden_size", 64, "widths"),
        ("visual_abstractor", "use_cls_token", False, "2.1"),
    ],
)
def test_configurations_that_cannot_work_are_refused(part: str, field: str, value: Any, message: str) -> None:
    saved = tiny_config().to_dict()
    saved["visual_config"][part][field] = value
    with pytest.raises(EyechartError, match=message):
        type(tiny_config()).from_dict(saved)


def test_saved_and_loaded_it_is_the_same(model: Any, processor: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert {n: v.shape for n, v in again.state_dict().items()} == {
        n: v.shape for n, v in model.state_dict().items()
    }
    made = AutoProcessor.from_pretrained(tmp_path)
    first, second = given(processor), given(made)
    assert all(torch.equal(first[name], second[name]) for name in first)
    with torch.no_grad():
        assert torch.equal(again(**second).logits, model(**first).logits)


def test_old_checkpoints_lack_the_tables_and_hold_frequencies(
    model: Any, processor: Any, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    weights = {n: v for n, v in model.state_dict().items() if "_pos_embed" not in n}
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    torch.save(weights, tmp_path / "pytorch_model.bin")
    again, report = AutoModelForImageTextToText.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    single = alone(processor)[0]
    with torch.no_grad():
        assert torch.equal(again(**single).logits, model(**single).logits)


def test_position_tables() -> None:
    table = query_positions(5, 8)
    assert table.shape == (5, 8)
    assert table[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert float(table[3, 1]) == pytest.approx(np.sin(3 * 10000**-0.25), abs=1e-6)
    grid = grid_positions(3, 16)
    assert not grid[0].any()
    row, column = 2, 1
    expected = torch.cat([query_positions(3, 8)[column], query_positions(3, 8)[row]])
    assert torch.equal(grid[1 + 3 * row + column], expected)


@pytest.mark.parametrize(("height", "width"), [(5, 8), (4, 9), (7, 7)])
def test_padding_puts_an_odd_pixel_to_the_right_or_the_bottom(height: int, width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8)
    padded, side = square(pixels, "pad"), max(height, width)
    before = (side - height) // 2
    assert padded.shape == (3, side, side)
    assert np.array_equal(padded[:, before : before + height], pixels)
    assert (padded[:, :before] == np.array(PAD_COLOUR)[:, None, None]).all()
    assert (padded[:, before + height :] == np.array(PAD_COLOUR)[:, None, None]).all()
    turned = square(pixels.transpose(0, 2, 1), "pad")
    assert np.array_equal(turned, padded.transpose(0, 2, 1))


def test_it_has_transformers_accessors_and_an_exact_partition(model: Any) -> None:
    assert model.get_encoder(modality="image") is model.model.vision_model
    assert model.get_decoder() is model.model
    assert model.get_input_embeddings() is model.model.embed_tokens
    assert projector_of(model) is model.model.visual_abstractor
    parts = components(model)
    assert sorted(n for p in parts.values() for n in p) == sorted(n for n, _ in model.named_parameters())
    adaptive = groups(model)["visual_adaptive"]
    assert len(adaptive) == 4 * model.config.num_hidden_layers
    assert set(adaptive) < set(parts["language"])
    assert set(adaptive) < set(components(model, {"visual_adaptive": "projector"})["projector"])


def test_weights_for_images_do_not_touch_text(processor: Any) -> None:
    changed, single = tiny_model(), alone(processor)
    with torch.no_grad():
        before = [changed(**inputs).logits for inputs in single]
        for name in groups(changed)["visual_adaptive"]:
            changed.get_parameter(name).mul_(1.5)
        after = [changed(**inputs).logits for inputs in single]
    assert torch.equal(before[2], after[2])
    assert apart(before[0], after[0]) > 1e-2
    first_image = single[0]["input_ids"][0].tolist().index(0)
    assert torch.equal(before[0][:, :first_image], after[0][:, :first_image])


def test_hidden_states_of_the_encoder_are_asked_for_again_and_again(model: Any, processor: Any) -> None:
    single = alone(processor)[0]
    for _ in range(2):
        seen = model.get_encoder(modality="image")(single["pixel_values"], output_hidden_states=True)
        assert len(seen.hidden_states) == 3
        assert len(model(**single, output_hidden_states=True).hidden_states) == 3


def test_training_reaches_every_parameter_and_checkpointing_changes_nothing(processor: Any) -> None:
    student, batch = tiny_model().train(), given(processor)
    grads = []
    for checkpointing in (False, True):
        if checkpointing:
            student.gradient_checkpointing_enable()
        student.zero_grad()
        student(**batch, labels=batch["input_ids"]).loss.backward()
        grads.append({name: p.grad.clone() for name, p in student.named_parameters()})
    # One number added to all keys of a query cancels in the softmax.
    idle = {name for name, grad in grads[0].items() if float(grad.abs().max()) < 1e-7}
    assert all(name.endswith("attention.key.bias") for name in idle)
    assert all(apart(grads[0][name], grads[1][name]) < 1e-5 for name in grads[0])


def test_the_exam_the_stages_and_the_loss_read_it_as_it_reads_itself(model: Any, processor: Any) -> None:
    subject = ModelSubject("tiny-owl", model, processor)
    images, question = noise(2), "blur or noise?"
    prompt = subject.prompt(question, (28, 28))
    assert len(prompt.image_positions) == 6
    answers = tuple(subject.answer_ids(question, word, (28, 28)) for word in ("blur", "clean"))
    tokens = torch.stack(subject.visual_tokens(images))
    found = read(subject, images, [Ask(prompt, answers)], Decoding(new_tokens=6))[0]
    batch = processor(text=[prompt.text] * 2, images=images, return_tensors="pt")
    length = batch["input_ids"].shape[1]
    written = model.generate(**batch, max_new_tokens=6, do_sample=False, pad_token_id=2)[:, length:]
    assert found.texts == processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    for column, answer in enumerate(answers):
        ids = torch.cat([batch["input_ids"], torch.tensor([answer] * 2)], 1)
        with torch.no_grad():
            logits = model(ids, batch["pixel_values"]).logits[:, length - 1 : -1].log_softmax(-1)
            losses = answer_losses(subject, tokens, [prompt] * 2, [answer] * 2)
        direct = logits.gather(2, torch.tensor([answer] * 2)[..., None]).sum((1, 2))
        assert np.allclose(found.logp[:, column], direct, atol=1e-4)
        assert np.allclose(losses * len(answer), -direct, atol=1e-4)
    seen = subject.stage(images, "language last position", question=question, batch=1)
    with torch.no_grad():
        last = model(**batch, output_hidden_states=True).hidden_states[-1][:, -1]
    assert np.allclose(torch.cat(seen), last, atol=1e-4)


def test_lora_reaches_both_ways_and_nothing_visual() -> None:
    subject = ModelSubject("tiny-owl", tiny_model(), tiny_processor())
    adapt(subject, ["language"], 8)
    adapted = {name.split(".lora_")[0] for name, _ in subject.model.named_parameters() if "lora_" in name}
    layers = subject.model.config.num_hidden_layers
    assert len(adapted) == layers * (2 + 2 * 2 + 3)
    assert any(name.endswith("v_proj.multiway.1") for name in adapted)
    assert not any("vision_model" in name or "visual_abstractor" in name for name in adapted)


def test_other_llamas_stay_as_they_are() -> None:
    config = LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2
    )
    names = [name for name, _ in LlamaForCausalLM(config).named_parameters()]
    assert "model.layers.0.self_attn.k_proj.weight" in names
    assert not any("multiway" in name for name in names)
