"""A model of the built-in subject's class whose language model dominates: random weights, a Llama of 1B."""

from __future__ import annotations

from typing import Any

from eyechart.subjects.loading import subject_folder
from eyechart.subjects.model import ModelSubject

SIDE, PATCH = 224, 14  # px: 256 patches, each a token of the language model


def build(layers: int, dtype: str) -> ModelSubject:
    """Return the model with the built-in subject's tokenizer.

    Args:
        layers: of the language model; 16 have 1.07 billion parameters.
        dtype: of weights and computing.
    """
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

    folder = subject_folder("nano")
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(
        config_of(layers), attn_implementation="eager", dtype=getattr(torch, dtype)
    )
    model.generation_config = GenerationConfig.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    processor.patch_size = PATCH
    processor.image_processor.size = {"shortest_edge": SIDE}
    processor.image_processor.crop_size = {"height": SIDE, "width": SIDE}
    return ModelSubject("large", model, processor)


def config_of(layers: int) -> Any:
    """Return the configuration.

    Vision encoder: 12 layers of width 384 (ViT-S, as in the built-in subject). Language model: width 2048,
    32 heads, 8 of keys and values, inner width 8192, as in Llama 3.2 1B.
    """
    from transformers import AutoConfig, LlamaConfig

    config = AutoConfig.from_pretrained(subject_folder("nano"))
    config.text_config = LlamaConfig(
        vocab_size=config.text_config.vocab_size,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        tie_word_embeddings=True,
    )
    config.downsample_ratio = 1.0
    config.image_seq_length = (SIDE // PATCH) ** 2
    return config
