"""mPLUG-Owl2's pixels, token ids and quality scores against the original code and tokenizer."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np
import pytest
from owl import MODEL, ORACLE, expanded, facts, needs_oracle, original_processor, tensors
from PIL import Image

from eyechart.errors import EyechartError
from eyechart.models.mplug_owl2 import MPLUGOwl2ImageProcessor, MPLUGOwl2Processor
from eyechart.models.mplug_owl2.presets import PRESETS
from eyechart.models.mplug_owl2.tokenizer import load_tokenizer

pytestmark = needs_oracle

PICTURES = ("landscape", "portrait", "square")


def picture(name: str) -> Image.Image:
    return Image.open(ORACLE / "images" / f"{name}.png")


@pytest.mark.parametrize("size", ["model", "448"])
@pytest.mark.parametrize("way", ["pad", "stretch", "crop"])
@pytest.mark.parametrize("name", PICTURES)
def test_pixels_are_equal_to_the_last_bit(name: str, way: str, size: str) -> None:
    side = 56 if size == "model" else 448
    processor = MPLUGOwl2ImageProcessor.from_pretrained(MODEL, size=side, crop_size=side)
    expected = facts("preprocessing")[f"{size}.{way}.{name}"]["sha256_float32"]
    for image in (picture(name), np.asarray(picture(name))):
        pixels = np.asarray(processor(image, squaring=way)["pixel_values"][0], "<f4")
        assert hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest() == expected


def test_the_configuration_says_how_images_become_square() -> None:
    assert original_processor().image_processor.squaring == "pad"
    padded = original_processor().image_processor(picture("portrait"))["pixel_values"][0]
    assert np.array_equal(padded, tensors("preprocessing")["model.pad.portrait"])


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA"])
def test_other_modes_look_like_their_rgb_version(mode: str) -> None:
    converted = picture("landscape").convert(mode)
    processor = original_processor().image_processor
    assert np.array_equal(
        processor(converted)["pixel_values"], processor(converted.convert("RGB"))["pixel_values"]
    )


def test_prompt_ids_of_the_small_tokenizer() -> None:
    prompts, ids = facts("cases")["prompts"], facts("cases")["prompt_ids"]
    for name, text in prompts.items():
        images = [picture("square")] * text.count("<|image|>")
        made = original_processor()(text=text, images=images or None)
        assert made["input_ids"][0] == expanded(ids[name]), name
        assert made["mm_token_type_ids"][0] == [int(token == 0) for token in made["input_ids"][0]]
        assert len(made.get("pixel_values", ())) == len(images)


def test_prompt_ids_of_llama2s_tokenizer() -> None:
    folder = os.environ.get("EYECHART_LLAMA2_TOKENIZER")
    if not folder:
        pytest.skip("EYECHART_LLAMA2_TOKENIZER names no folder with Llama 2's tokenizer.model")
    tokenizer = load_tokenizer(folder)
    processor = MPLUGOwl2Processor(original_processor().image_processor, tokenizer, image_positions=9)
    for name, prompt in facts("prompt_ids_llama2")["prompts"].items():
        images = [picture("square")] * prompt["text"].count("<|image|>")
        ids = processor(text=prompt["text"], images=images)["input_ids"][0]
        assert ids == expanded(prompt["input_ids"]), name
    for word, ids in facts("prompt_ids_llama2")["words"].items():
        assert tokenizer(word, add_special_tokens=False)["input_ids"] == ids


def test_padding_on_either_side_goes_round_images() -> None:
    texts = ["USER: <|image|>good or bad? ASSISTANT:", "USER: Rate this. ASSISTANT:"]
    for side in ("left", "right"):
        made = original_processor()(
            text=texts, images=picture("square"), padding=True, padding_side=side, return_tensors="pt"
        )
        padded = made["attention_mask"] == 0
        assert padded.any(1).tolist() == [False, True]
        assert padded[1, 0 if side == "left" else -1]
        assert not made["mm_token_type_ids"][padded].any()
        assert int(made["mm_token_type_ids"].sum()) == 9


def test_wrong_inputs_are_refused() -> None:
    processor: Any = original_processor()
    with pytest.raises(EyechartError, match=r"1 <\|image\|> placeholders, but 2 images"):
        processor(text="USER: <|image|>", images=[picture("square")] * 2)
    with pytest.raises(EyechartError, match=r"1 <\|image\|> placeholders, but 0 images"):
        processor(text="USER: <|image|>")
    with pytest.raises(EyechartError, match="<unk>"):
        processor(text="USER: <unk>")
    with pytest.raises(EyechartError, match="truncated"):
        processor(text="USER: good", truncation=True, max_length=2)


def test_the_chat_template_is_the_original_one() -> None:
    turns = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Rate it."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "good"}]},
        {"role": "user", "content": "why?"},
    ]
    render = original_processor().apply_chat_template
    assert render(turns[:1], add_generation_prompt=True) == "USER: <|image|>Rate it. ASSISTANT:"
    expected = facts("prompt_ids_llama2")["multi_turn"]["text"]
    assert render(turns, add_generation_prompt=True) == expected
    with pytest.raises(Exception, match="no role system"):
        render([{"role": "system", "content": "Be kind."}])


def test_the_published_prompts_become_the_recorded_ids() -> None:
    align, instruct = facts("scoring"), facts("qinstruct")["prompt_ids"]
    for preset, ids in {
        "q-align-quality": align["natural.quality.image"]["input_ids"],
        "q-align-aesthetics": align["natural.aesthetics.image"]["input_ids"],
        "q-align-score-method": align["swapped.quality.image"]["input_ids"],
        "q-instruct": instruct["scorer"],
        "q-instruct-evaluation": instruct["eval"],
        "q-instruct-demo": instruct["demo"],
    }.items():
        made = original_processor()(text=PRESETS[preset].prompt, images=picture("square"))
        assert made["input_ids"][0] == expanded(ids), preset
