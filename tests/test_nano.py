"""The built-in subject computes what its originals compute; the real one still knows its language."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import Dinov2Config, Dinov2Model, InternVLVisionConfig, InternVLVisionModel

from eyechart.errors import EyechartError
from eyechart.subjects.loading import load_subject
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.nano.adapter import FILE, LORA, merge_adapter, save_adapter
from eyechart.subjects.nano.assemble import IMAGE_SIDE
from eyechart.subjects.nano.build import LEARNED, _size_and_hash, _whole
from eyechart.subjects.nano.convert import as_internvl_vision
from eyechart.subjects.nano.fetch import LANGUAGE, VISION, cache_folder, fetch

SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 14}


@pytest.mark.parametrize("trained_at", [112, 518], ids=["same size", "positions interpolated"])
def test_internvl_tower_computes_what_dinov2_computes(trained_at: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    dinov2: Any = Dinov2Model(
        Dinov2Config(**SHAPE, mlp_ratio=2, image_size=trained_at, initializer_range=0.3)
    )
    with torch.no_grad():
        for parameter in dinov2.parameters():  # biases, norms and layer scales too
            parameter.add_(0.3 * torch.randn_like(parameter))
    dinov2.save_pretrained(tmp_path)  # a file has the hub's names, which differ from those in memory
    stored = load_file(tmp_path / "model.safetensors")
    assert "encoder.layer.0.attention.attention.query.weight" in stored
    config = InternVLVisionConfig(
        **SHAPE, intermediate_size=64, attention_bias=True, image_size=trained_at, use_mean_pooling=False
    )
    tower: Any = InternVLVisionModel(config)
    tower.load_state_dict(as_internvl_vision(stored))
    pixels = torch.randn(2, 3, IMAGE_SIDE, IMAGE_SIDE)
    with torch.no_grad():
        expected = dinov2.eval()(pixels).last_hidden_state
        found = tower.eval()(pixels).last_hidden_state
    assert found.shape == (2, 65, 32)
    assert torch.allclose(found, expected, atol=1e-5, rtol=1e-5)


def test_merged_adapter_equals_peft(internvl: ModelSubject, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(copy.deepcopy(internvl.model), LoraConfig(**LORA))
    projector = adapted.get_base_model().model.multi_modal_projector
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:  # as training would leave it; exact in bf16, as it is stored
                parameter.copy_((0.1 * torch.randn_like(parameter)).bfloat16())
        for parameter in projector.parameters():
            parameter.copy_((parameter + 0.1 * torch.randn_like(parameter)).bfloat16())
    save_adapter(adapted.get_base_model(), tmp_path)
    merged = copy.deepcopy(internvl.model)
    merge_adapter(merged, tmp_path)
    expected = dict(adapted.merge_and_unload().named_parameters())
    found = dict(merged.named_parameters())
    assert set(found) == set(expected)
    for name, parameter in found.items():
        assert torch.allclose(parameter, expected[name], atol=1e-6), name
        touched = "projector" in name or re.search(r"language_model\.layers.*_proj", name)
        original = internvl.model.get_parameter(name)
        assert torch.equal(parameter, original) == (not touched), name
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_checkpoint_is_whole_only_as_written(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    assert not _whole(tmp_path)
    weights.write_bytes(b"x" * 100)
    (tmp_path / "config.json").write_text("{}")
    assert not _whole(tmp_path)
    (tmp_path / "model.sha256").write_text(_size_and_hash(weights))
    assert _whole(tmp_path)
    weights.write_bytes(b"x" * 99 + b"y")
    assert not _whole(tmp_path)


@pytest.fixture(scope="module")
def nano() -> ModelSubject:
    """Return the real built-in subject, fetched and built if need be."""
    if not (LEARNED / FILE).is_file():
        pytest.skip("the built-in subject's adapter is not in this checkout")
    try:
        for source in (LANGUAGE, VISION):
            fetch(source, cache_folder() / "sources")
    except EyechartError as error:
        pytest.skip(f"the built-in subject cannot be fetched: {error.what}")
    return load_subject("nano")


def test_nano_renders_turns(nano: ModelSubject) -> None:
    prompt = nano.prompt("What is it?", (IMAGE_SIDE, IMAGE_SIDE))
    assert prompt.text == "USER: <image>What is it? ASSISTANT:"
    assert len(prompt.image_positions) == 16
    ids = nano.answer_ids("What is it?", "blur", (IMAGE_SIDE, IMAGE_SIDE))
    assert nano.processor.tokenizer.decode(ids) == " blur<|im_end|>"


def test_nano_still_knows_its_language(nano: ModelSubject) -> None:
    ids = nano.processor.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        following = nano.model(input_ids=ids).logits[0, -1].argmax()
    assert nano.processor.tokenizer.decode(following) == " Paris"
