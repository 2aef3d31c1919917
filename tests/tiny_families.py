"""Tiny random models of the real classes of many families, with inputs of the right shapes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

IMAGE, SIDE, PATCH, ROWS = 7, 56, 14, 2
# Values for the sizes that configurations share, whatever they are nested in.
_SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 512,
    "image_size": SIDE,
    "patch_size": PATCH,
    "depth": 2,
    "embed_dim": 64,
    "num_heads": 4,
    "max_position_embeddings": 512,
    "d_model": 64,
    "ffn_dim": 48,
    "num_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "num_layers": 2,
    "out_hidden_size": 64,
    "word_embed_proj_dim": 64,
    "encoder_hidden_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
# What a family needs beside that.
_PINPOINTS = [[SIDE, 2 * SIDE], [2 * SIDE, SIDE]]
_ROPE = {
    "text_config": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}
    }
}
_DEEP = {"vision_config": {"deepstack_visual_indexes": [0]}}
_MORE: dict[str, dict[str, Any]] = {
    "llava_next": {"image_grid_pinpoints": _PINPOINTS},
    "llava_next_video": {"image_grid_pinpoints": _PINPOINTS},
    "llava_onevision": {"image_grid_pinpoints": _PINPOINTS},
    "vipllava": {"vision_feature_layers": [-1, -2]},
    "paligemma": {"projection_dim": 64, "vision_config": {"projection_dim": 64}},
    "gemma3": {"mm_tokens_per_image": 4},
    "mllama": {
        "text_config": {"cross_attention_layers": [1]},
        "vision_config": {"intermediate_layers_indices": [0, 1], "vision_output_dim": 192},
    },
    "janus": {
        "vision_config": {"projection_dim": 64},
        "vq_config": {
            **{"base_channels": 32, "latent_channels": 32, "channel_multiplier": [1, 1]},
            **{"num_embeddings": 64, "image_token_embed_dim": 64, "projection_dim": 64},
        },
    },
    "cohere2_vision": {"alignment_intermediate_size": 128},
    "qwen2_vl": _ROPE,
    "qwen2_5_vl": _ROPE,
    "glm4v": _ROPE,
    "glm46v": _ROPE,
    "glm_ocr": _ROPE,
    "glm4v_moe": _ROPE,
    "glmga": _ROPE,
    "aria": {"projector_patch_to_query_dict": {16: 4}},
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_moe", "cosmos3_omni"), _DEEP),
    "step3p7": {"text_config": {"sliding_window": 8}},
}
_GRID = (
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_vl_moe",
    "qwen3_5",
    "qwen3_5_moe",
    "exaone4_5",
    "glm4v",
    "glm4v_moe",
    "glm46v",
    "glm_ocr",
    "glmga",
    "glm5_next",
    "cosmos3_edge",
    "cosmos3_omni",
    "hyperclovax_vision_v2",
    "lfm3_vl",
    "paddleocr_vl",
)
_TILES = ("llava_next", "llava_next_video", "llava_onevision")
_SEVERAL = ("idefics2", "idefics3", "smolvlm", "granite_docling")
_SIZED = ("mistral3", "lighton_ocr")


def build(model_type: str) -> Any:
    """Return a tiny model of a family."""
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    config = _shrunk(CONFIG_MAPPING[model_type](), _MORE.get(model_type, {}))
    for name in ("image_token_id", "image_token_index"):
        if hasattr(config, name):
            setattr(config, name, IMAGE)
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config).eval()
    for parameter in model.parameters():  # zeros (gates, biases, newlines) would hide what depends on them
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


def inputs(model: Any, seed: int) -> dict[str, Any]:
    """Return a batch of two prompts with one random image each, as the family's processor would."""
    from eyechart.subjects.prove import image_features

    model_type = model.config.model_type
    seen = _pixels(model, model_type, torch.Generator().manual_seed(seed))
    if model_type == "mllama":
        ids = torch.tensor([[1, IMAGE, 10, 11, 12, 13]] * ROWS)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen}
    with torch.no_grad():
        count = len(image_features(model, seen)) // ROWS
    ids = torch.tensor([[1, 9, 10] + [IMAGE] * count + [11, 12, 13]] * ROWS)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **seen}
    known = inspect.signature(model.forward).parameters
    types = (ids == IMAGE).long()
    batch |= {name: types for name in ("mm_token_type_ids", "token_type_ids") if name in known}
    return batch


def _shrunk(config: Any, more: Mapping[str, Any]) -> Any:
    for name, value in list(vars(config).items()):
        if hasattr(value, "model_type"):
            _shrunk(value, more.get(name, {}))
        elif name in _SMALL and isinstance(value, int) and not isinstance(value, bool):
            setattr(config, name, _SMALL[name])
        elif name == "image_size" and isinstance(value, (list, tuple)):
            config.image_size = [SIDE, SIDE]
    for name, value in more.items():
        if not isinstance(value, dict) or not hasattr(getattr(config, name, None), "model_type"):
            setattr(config, name, value)
    if getattr(config, "layer_types", None):
        config.layer_types = list(dict.fromkeys(config.layer_types))  # one layer of each kind
        config.num_hidden_layers = len(config.layer_types)
    return config


def _pixels(model: Any, model_type: str, draw: torch.Generator) -> dict[str, Any]:
    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw)

    vision = getattr(model.config, "vision_config", model.config)
    if model_type in _TILES:
        return {
            "pixel_values": random(ROWS, 3, 3, SIDE, SIDE),
            "image_sizes": torch.tensor([[SIDE, 2 * SIDE]] * ROWS),
        }
    if model_type in _SEVERAL:
        return {
            "pixel_values": random(ROWS, 1, 3, SIDE, SIDE),
            "pixel_attention_mask": torch.ones(ROWS, 1, SIDE, SIDE, dtype=torch.long),
        }
    if model_type in _SIZED:
        return {
            "pixel_values": random(ROWS, 3, SIDE, SIDE),
            "image_sizes": torch.tensor([[SIDE, SIDE]] * ROWS),
        }
    if model_type in _GRID:
        channels = getattr(vision, "in_channels", 3)
        width = channels * getattr(vision, "temporal_patch_size", 1) * vision.patch_size**2
        return {"pixel_values": random(ROWS * 16, width), "image_grid_thw": torch.tensor([[1, 4, 4]] * ROWS)}
    if model_type == "lfm2_vl":
        return {
            "pixel_values": random(ROWS, 16, 3 * PATCH * PATCH),
            "spatial_shapes": torch.tensor([[4, 4]] * ROWS),
            "pixel_attention_mask": torch.ones(ROWS, 16, dtype=torch.long),
        }
    if model_type == "mllama":
        return {
            "pixel_values": random(ROWS, 1, 4, 3, SIDE, SIDE),
            "aspect_ratio_ids": torch.ones(ROWS, 1, dtype=torch.long),
            "aspect_ratio_mask": torch.tensor([[[1, 0, 0, 0]]] * ROWS),
            "cross_attention_mask": torch.ones(ROWS, 6, 1, 4, dtype=torch.long),
        }
    side = vision.image_size if isinstance(vision.image_size, int) else vision.image_size[0]
    seen: dict[str, Any] = {"pixel_values": random(ROWS, 3, side, side)}
    if model_type.startswith("instructblip"):
        seen["qformer_input_ids"] = torch.tensor([[3, 4, 5, 6]] * ROWS)
    return seen
