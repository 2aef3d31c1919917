"""Put the built-in subject together: vision encoder, projector and language model in one ordinary checkpoint.

The host class is ``InternVLForConditionalGeneration``: its vision tower computes the same function as
DINOv2, and its pixel shuffle joins 2 x 2 patches, so that an image of 112 x 112 px reaches the language
model as 16 tokens, which is what makes a study affordable on a CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eyechart.subjects.nano.convert import as_internvl_vision, load_smollm2, read_dinov2
from eyechart.subjects.nano.fetch import LANGUAGE, VISION, fetch

IMAGE_SIDE = 112  # px; native-resolution crops of this size pass through unchanged
PATCH = 14
DOWNSAMPLE = 0.5
IMAGE_TOKEN = "<image>"  # noqa: S105
# The turn markers of mPLUG-Owl2 and LLaVA 1.5: few tokens, and answers begin with a space.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for item in message['content'] %}{% if item['type'] == 'image' %}<image>{% else %}{{ item['text'] }}"
    "{% endif %}{% endfor %}{% endif %}{% else %} ASSISTANT: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for item in message['content'] %}{{ item['text'] }}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def assemble(sources: Path) -> tuple[Any, Any]:
    """Return (model, processor): both parts pretrained, the projector fresh, all in float32.

    Args:
        sources: folder with the fetched files (fetched into it if they are not there).
    """
    import torch
    from transformers import InternVLConfig, InternVLForConditionalGeneration, InternVLVisionConfig

    tower = as_internvl_vision(read_dinov2(fetch(VISION, sources)))
    language, tokenizer = load_smollm2(fetch(LANGUAGE, sources))
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]})
    language.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(
            hidden_size=384,
            num_hidden_layers=12,
            num_attention_heads=6,
            intermediate_size=1536,
            attention_bias=True,
            image_size=518,
            patch_size=PATCH,
            use_mean_pooling=False,
        ),
        text_config=language.config,
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_TOKEN),
        image_seq_length=int((IMAGE_SIDE / PATCH * DOWNSAMPLE) ** 2),
        downsample_ratio=DOWNSAMPLE,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)  # the fresh projector
    model = InternVLForConditionalGeneration._from_config(config)
    model.model.vision_tower.load_state_dict(tower)
    model.model.language_model.load_state_dict(language.model.state_dict())
    model.tie_weights()
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model.eval(), _processor(tokenizer)


def _processor(tokenizer: Any) -> Any:
    """Return the processor; the Pillow class is named, so that pixels are the same on every machine."""
    from transformers import BitImageProcessorPil, LlavaProcessor

    images = BitImageProcessorPil(
        size={"shortest_edge": IMAGE_SIDE},
        crop_size={"height": IMAGE_SIDE, "width": IMAGE_SIDE},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=int(PATCH / DOWNSAMPLE),  # each token stands for 2 x 2 patches
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE_TOKEN,
    )
