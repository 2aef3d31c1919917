"""What sets the number of parameters in presets' published configurations, beside the class's defaults."""

from __future__ import annotations

from typing import Any


def _qwen3(width: int, layers: int, inner: int, heads: int, eye: tuple[int, int, int, list[int]]) -> Any:
    tied = width < 4096
    return {
        "tie_word_embeddings": tied,
        "text_config": {
            "hidden_size": width,
            "num_hidden_layers": layers,
            "intermediate_size": inner,
            "num_attention_heads": heads,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "tie_word_embeddings": tied,
        },
        "vision_config": {
            "hidden_size": eye[0],
            "depth": eye[1],
            "intermediate_size": eye[2],
            "num_heads": 16,
            "out_hidden_size": width,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": eye[3],
        },
    }


def _smol(text: tuple[int, int, int, int, int], eye: tuple[int, int, int, int, int, int], scale: int) -> Any:
    names = ("hidden_size", "num_hidden_layers", "intermediate_size", "num_attention_heads")
    whole = dict(zip((*names, "num_key_value_heads"), text, strict=True))
    return {
        "scale_factor": scale,
        "tie_word_embeddings": False,
        "text_config": whole | {"model_type": "llama", "vocab_size": 49280, "head_dim": 64},
        "vision_config": dict(zip((*names, "patch_size", "image_size"), eye, strict=True)),
    }


def _onevision(width: int, layers: int, inner: int, heads: int, keys: int, words: int, tied: bool) -> Any:
    return {
        "tie_word_embeddings": tied,
        "text_config": {
            "model_type": "qwen2",
            "hidden_size": width,
            "num_hidden_layers": layers,
            "intermediate_size": inner,
            "num_attention_heads": heads,
            "num_key_value_heads": keys,
            "vocab_size": words,
            "tie_word_embeddings": tied,
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            "hidden_size": 1152,
            "num_hidden_layers": 26,
            "intermediate_size": 4304,
            "num_attention_heads": 16,
            "patch_size": 14,
            "image_size": 384,
            "vision_use_head": False,
        },
    }


_SMALL_EYE, _LARGE_EYE = (768, 12, 3072, 12, 16, 512), (1152, 27, 4304, 16, 14, 384)
_PIXTRAL: Any = {
    "tie_word_embeddings": False,
    "text_config": {
        "model_type": "mistral",
        "hidden_size": 5120,
        "num_hidden_layers": 40,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 131072,
    },
    "vision_config": {
        "model_type": "pixtral",
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "intermediate_size": 4096,
        "num_attention_heads": 16,
        "head_dim": 64,
        "patch_size": 16,
        "image_size": 1024,
    },
}
PUBLISHED: dict[str, Any] = {
    "llava-1.5-7b": {},
    "mllama-11b": {},
    "glm-4.1v-9b": {},
    "mplug-owl2": {},
    "mistral-small-3.1": {"tie_word_embeddings": False},
    "pixtral-12b": _PIXTRAL,
    "qwen3-vl-2b": _qwen3(2048, 28, 6144, 16, (1024, 24, 4096, [5, 11, 17])),
    "qwen3-vl-4b": _qwen3(2560, 36, 9728, 32, (1024, 24, 4096, [5, 11, 17])),
    "qwen3-vl-8b": _qwen3(4096, 36, 12288, 32, (1152, 27, 4304, [8, 16, 24])),
    "smolvlm-256m": _smol((576, 30, 1536, 9, 3), _SMALL_EYE, 4),
    "smolvlm-500m": _smol((960, 32, 2560, 15, 5), _SMALL_EYE, 4),
    "smolvlm-2.2b": _smol((2048, 24, 8192, 32, 32), _LARGE_EYE, 3),
    "smolvlm2-2.2b": _smol((2048, 24, 8192, 32, 32), _LARGE_EYE, 3),
    "llava-onevision-0.5b": _onevision(896, 24, 4864, 14, 2, 152000, True),
    "llava-onevision-7b": _onevision(3584, 28, 18944, 28, 4, 152128, False),
}
