"""mPLUG-Owl2 for tests: the original's recorded outputs where they lie, and a tiny random model anywhere."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor, LlamaTokenizer

from eyechart.models.mplug_owl2 import MPLUGOwl2Config, MPLUGOwl2ImageProcessor, MPLUGOwl2Processor
from eyechart.models.mplug_owl2.modeling import MPLUGOwl2LlamaForCausalLM

ORACLE = Path(__file__).parents[2] / "shared" / "oracles" / "mplug_owl2"
MODEL = ORACLE / "model"
SIDE, POSITIONS = 56, 9  # of the oracle's images, in px; of one image, in tokens
CLOSE = 5e-5  # the oracle's own tolerance for logits, states and features
needs_oracle = pytest.mark.skipif(not ORACLE.is_dir(), reason="../shared/oracles/mplug_owl2 is not here")


@cache
def tensors(name: str) -> dict[str, torch.Tensor]:
    """Return the recorded tensors of one file."""
    return load_file(ORACLE / f"{name}.safetensors")


@cache
def facts(name: str) -> Any:
    """Return the recorded facts of one file."""
    return json.loads((ORACLE / f"{name}.json").read_text(encoding="utf-8"))


@cache
def original(attention: str = "sdpa") -> Any:
    """Return the native model with the oracle's weights, not to be changed."""
    return AutoModelForImageTextToText.from_pretrained(
        MODEL, dtype=torch.float32, attn_implementation=attention
    )


@cache
def original_processor() -> Any:
    """Return the processor of the oracle's checkpoint, not to be changed."""
    return AutoProcessor.from_pretrained(MODEL)


def expanded(row: list[int], fill: int = 0, frames: int = 1) -> list[int]:
    """Return a recorded row with each placeholder (-200) as an image's positions, filled with ``fill``."""
    wide = [fill] * POSITIONS * frames
    return [value for token in row for value in (wide if token == -200 else [token])]


def apart(one: torch.Tensor, two: torch.Tensor) -> float:
    """Return the largest difference of two tensors of one shape."""
    assert one.shape == two.shape
    return float((one - two).detach().abs().max())


def tiny_config() -> MPLUGOwl2Config:
    """Return a configuration of a model with two layers in each part, 28 px in four patches, 5 queries."""
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    abstractor = {**vision, "encoder_hidden_size": 32, "num_learnable_queries": 5, "grid_size": 2}
    return MPLUGOwl2Config(
        vocab_size=320,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        initializer_range=0.2,  # wide enough for answers that depend on the image
        visual_config={
            "visual_model": {**vision, "image_size": 28, "initializer_range": 0.2},
            "visual_abstractor": {**abstractor, "initializer_range": 0.2},
        },
    )


def tiny_model() -> Any:
    """Return a random model with that configuration."""
    torch.manual_seed(0)
    return MPLUGOwl2LlamaForCausalLM._from_config(tiny_config(), attn_implementation="sdpa").eval()


def tiny_inputs(model: Any, seed: int) -> dict[str, Any]:
    """Return a batch of two prompts with one random image each."""
    image = model.config.image_token_id
    ids = torch.tensor([[1, 9, 10] + [image] * 6 + [11, 12, 13]] * 2)
    pixels = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(seed))
    seen = {"pixel_values": pixels, "mm_token_type_ids": (ids == image).long()}
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen}


def tiny_processor() -> MPLUGOwl2Processor:
    """Return a processor whose tokenizer knows bytes and nothing else."""
    specials = ["<unk>", "<s>", "</s>"]
    pieces = [*specials, *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    tokenizer = LlamaTokenizer(vocab={piece: order for order, piece in enumerate(pieces)}, merges=[])
    images = MPLUGOwl2ImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    return MPLUGOwl2Processor(images, tokenizer, image_positions=6)
