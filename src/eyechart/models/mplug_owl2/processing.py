"""Text with image placeholders, and images, to the model's inputs.

The text is cut at ``<|image|>``, each piece is tokenised by itself, and an image's positions go between. So
did the original; a tokeniser that saw the whole text would give other ids beside an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from transformers import BatchFeature
from transformers.processing_utils import ProcessorMixin

from eyechart.errors import EyechartError
from eyechart.models.mplug_owl2.configuration import MPLUGOwl2Config
from eyechart.models.mplug_owl2.images import MPLUGOwl2ImageProcessor
from eyechart.models.mplug_owl2.tokenizer import load_tokenizer

IMAGE_TOKEN = "<|image|>"  # noqa: S105 (a placeholder, not a password)
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}{{ 'USER: ' }}"
    "{%- elif message['role'] == 'assistant' -%}{{ ' ASSISTANT: ' }}"
    "{%- else -%}{{ raise_exception('mPLUG-Owl2 has no role ' + message['role'] + ': user, assistant') }}"
    "{%- endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{{ '<|image|>' if part['type'] == 'image' else part['text'] }}"
    "{%- endfor -%}"
    "{%- endif -%}"
    "{%- if message['role'] == 'assistant' -%}{{ '</s>' }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ ' ASSISTANT:' }}{%- endif -%}"
)


class MPLUGOwl2Processor(ProcessorMixin):  # type: ignore[misc]
    """Image processor and tokenizer of one checkpoint.

    Args:
        image_processor: makes ``pixel_values``.
        tokenizer: Llama's. It is set to pad with ``</s>``, because ``<unk>`` stands at image positions, and
            on the left, so that a batch can be continued.
        image_positions: how many positions an image takes.
        chat_template: Jinja; without one, that of the original code: no system prompt,
            ``USER: {message} ASSISTANT: {answer}</s>``, the next turn directly behind.
    """

    def __init__(
        self,
        image_processor: MPLUGOwl2ImageProcessor | None = None,
        tokenizer: Any = None,
        image_positions: int = 0,
        chat_template: str | None = None,
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)
        self.image_positions = image_positions
        self.image_token = IMAGE_TOKEN
        self.image_token_id = tokenizer.unk_token_id
        tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"

    @classmethod
    def from_pretrained(cls, name: str, **kwargs: Any) -> MPLUGOwl2Processor:
        """Load a checkpoint's processor; what published ones do not save comes from their configuration."""
        processor: MPLUGOwl2Processor = super().from_pretrained(name, **kwargs)
        if not processor.image_positions:
            config = MPLUGOwl2Config.from_pretrained(name, **kwargs)
            processor.image_positions = config.image_positions
            processor.image_processor.squaring = "pad" if config.image_aspect_ratio == "pad" else "crop"
        return processor

    @classmethod
    def _get_arguments_from_pretrained(
        cls, name: str, processor_dict: Any = None, **kwargs: Any
    ) -> list[Any]:
        # Published files name CLIP's processor, which does not square images.
        return [MPLUGOwl2ImageProcessor.from_pretrained(name, **kwargs), load_tokenizer(name, **kwargs)]

    def __call__(
        self, images: Any = None, text: str | list[str] | None = None, **kwargs: Any
    ) -> BatchFeature:
        """Return the model's inputs.

        Args:
            images: one or many, in the order of their placeholders over all texts.
            text: one or many prompts with ``<|image|>`` placeholders. A video is one placeholder a frame.
            kwargs: ``padding``, ``padding_side``, ``max_length``, ``add_special_tokens``, ``return_tensors``
                for text; ``squaring`` and CLIP's options for images.

        Returns:
            ``input_ids``, ``attention_mask`` and ``mm_token_type_ids`` (1 = image) if there is text,
            ``pixel_values`` if there are images.

        Raises:
            EyechartError: placeholders and images differ in number, a text holds the image positions' token,
                or truncation was asked for.
        """
        options = self._merge_kwargs(tokenizer_init_kwargs=self.tokenizer.init_kwargs, **kwargs)
        tensors = options["text_kwargs"].pop("return_tensors", None)
        data: dict[str, Any] = {}
        if images is not None:
            data.update(self.image_processor(images, **options["images_kwargs"]))
        if text is not None:
            texts = [text] if isinstance(text, str) else list(text)
            _check_count(texts, len(data.get("pixel_values", ())))
            data.update(self._tokens(texts, **options["text_kwargs"]))
        return BatchFeature(data, tensor_type=tensors)

    def _tokens(self, texts: list[str], **options: Any) -> dict[str, Any]:
        """Return ``input_ids``, ``attention_mask`` and ``mm_token_type_ids`` of prompts."""
        if options.get("truncation"):
            raise EyechartError(
                "a prompt with images cannot be truncated: it would lose image positions", "shorten the text"
            )
        special = options.get("add_special_tokens", True)
        padding = {k: options[k] for k in ("padding", "max_length", "padding_side") if k in options}
        padded = self.tokenizer.pad(
            {"input_ids": [list(self._ids(text, special)) for text in texts]},
            **{"padding": False, **padding},
            return_attention_mask=True,
        )
        return {**padded, "mm_token_type_ids": self.create_mm_token_type_ids(padded["input_ids"])}

    def _ids(self, text: str, special: bool) -> Iterator[int]:
        """Yield the ids of one prompt, its images expanded."""
        begun = not special
        for order, piece in enumerate(text.split(IMAGE_TOKEN)):
            if order:
                yield from [self.image_token_id] * self.image_positions
            if not piece:
                continue
            if not begun:  # before the first text, even if an image comes first
                yield self.tokenizer.bos_token_id
                begun = True
            # SentencePiece puts a space before every piece; transformers 5 leaves it out if there is one.
            spaced = f" {piece}" if piece.startswith((" ", "▁")) else piece
            ids = self.tokenizer(spaced, add_special_tokens=False)["input_ids"]
            if self.image_token_id in ids:
                raise EyechartError(
                    f"the text holds {self.tokenizer.unk_token}, which stands for image positions",
                    f"write {IMAGE_TOKEN} for an image, and nothing for an unknown word",
                )
            yield from ids


def _check_count(texts: list[str], images: int) -> None:
    placeholders = sum(text.count(IMAGE_TOKEN) for text in texts)
    if placeholders != images:
        raise EyechartError(
            f"the text has {placeholders} {IMAGE_TOKEN} placeholders, but {images} images were passed",
            "pass one image a placeholder, in order",
        )
