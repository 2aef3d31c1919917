"""Tiny random models of the real classes, with a real tokenizer and the built-in subject's processor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BitImageProcessorPil,
    CLIPVisionConfig,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from eyechart.exam import ExamConfig
from eyechart.exam.content_free import mean_colour
from eyechart.exam.examiner import Examiner
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.nano.assemble import CHAT_TEMPLATE, IMAGE_TOKEN, _processor

LABELS = ("blur", "noise", "compression", "clean")
END = "<|im_end|>"
LLAVA_SIDE, LLAVA_PATCH = 56, 14
SENTENCES = (
    "USER: What is the main distortion of this image? Answer with one word. ASSISTANT: blur",
    "Which word fits this image best: blur, noise, compression, clean?",
    "Name what is wrong with the photo. ASSISTANT: noise. ASSISTANT: clean",
)


@cache
def tokenizer() -> Any:
    """Return a byte-level BPE tokenizer in which ``blur`` is one token and ``compression`` is several."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=[END, IMAGE_TOKEN], initial_alphabet=alphabet
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=END, pad_token=END, additional_special_tokens=[IMAGE_TOKEN]
    )


def _language() -> Any:
    return LlamaConfig(
        vocab_size=len(tokenizer()),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,  # wide enough for answers that depend on the image
        eos_token_id=tokenizer().eos_token_id,
        tie_word_embeddings=True,
    )


def _subject(name: str, kind: Any, config: Any, processor: Any) -> ModelSubject:
    torch.manual_seed(0)
    model = kind._from_config(config, attn_implementation="eager")
    model.generation_config.eos_token_id = tokenizer().eos_token_id
    model.generation_config.pad_token_id = tokenizer().pad_token_id
    return ModelSubject(name, model, processor)


def internvl() -> ModelSubject:
    """Return a tiny model of the built-in subject's class: 112 px to 16 visual tokens."""
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            attention_bias=True,
            image_size=112,
            patch_size=14,
            use_mean_pooling=False,
            initializer_range=0.2,
        ),
        text_config=_language(),
        image_token_id=tokenizer().convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=16,
        downsample_ratio=0.5,
        tie_word_embeddings=True,
    )
    return _subject("tiny-internvl", InternVLForConditionalGeneration, config, _processor(tokenizer()))


def llava() -> ModelSubject:
    """Return a tiny LLaVA: a CLIP tower read at its last layer but one, 56 px to 16 visual tokens."""
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            image_size=LLAVA_SIDE,
            patch_size=LLAVA_PATCH,
        ),
        text_config=_language(),
        image_token_id=tokenizer().convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=16,
        tie_word_embeddings=True,
    )
    processor = LlavaProcessor(
        image_processor=BitImageProcessorPil(
            size={"shortest_edge": LLAVA_SIDE}, crop_size={"height": LLAVA_SIDE, "width": LLAVA_SIDE}
        ),
        tokenizer=tokenizer(),
        patch_size=LLAVA_PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which is left out
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE_TOKEN,
    )
    return _subject("tiny-llava", LlavaForConditionalGeneration, config, processor)


def examine(
    subject: ModelSubject,
    table: pd.DataFrame,
    shown: Sequence[Any],
    labels: Sequence[str] = LABELS,
    **settings: Any,
) -> pd.DataFrame:
    """Return the answers to one batch, in the order of the whole table; settings are those of an exam."""
    colour = np.mean([mean_colour(image) for image in shown], axis=0)
    examiner = Examiner(subject, "base", labels, ExamConfig(**settings), colour, seed=0)
    rows = examiner.answer(table, shown)
    rows.sort(key=examiner.order_of)
    return pd.DataFrame(rows)


def images(count: int, seed: int = 0, side: int = 112) -> list[NDArray[np.uint8]]:
    """Return random images that differ in colour and grain."""
    draw = np.random.default_rng(seed)
    means, grains = draw.uniform(40, 215, (count, 1, 1, 3)), draw.uniform(0, 60, (count, 1, 1, 1))
    values = means + grains * draw.normal(size=(count, side, side, 3))
    return list(np.clip(values, 0, 255).astype(np.uint8))
