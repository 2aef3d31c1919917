"""How long the prompts are, without weights: by the real processor, or else by an assumption that is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from eyechart.errors import EyechartError
from eyechart.plan.flops import REFUSALS
from eyechart.subjects.model import ModelSubject, Prompt

if TYPE_CHECKING:
    import torch

    from eyechart.subjects.options import LoadOptions

CHARACTERS = 4  # of a token of English text, about
_IMAGE, _END = "image", "end"
EXACT = "by the subject's own processor"
ASSUMED = f"assumed: a token every {CHARACTERS} characters, as the subject's processor is not there"


class Unloaded(ModelSubject):
    """A subject whose model has no weights: it renders prompts, and can be asked nothing."""

    lengths = EXACT

    @property
    def device(self) -> torch.device:
        """Return where prompts are rendered."""
        import torch

        return torch.device("cpu")


class Assumed(Unloaded):
    """A subject of which nothing but the configuration is known: text is cut every few characters.

    Texts that begin alike have tokens that begin alike, so that what prompts share is counted as usual.
    """

    lengths = ASSUMED

    def __init__(self, name: str, model: Any, processor: Any, compute: str = "float32") -> None:
        super().__init__(name, model, processor, compute)
        self._cut: dict[str, int] = {}
        self._visual = _visual_tokens(name, model)

    def conversation(self, question: str, answer: str | None = None) -> str:
        """Return a conversation without any special token."""
        return question if answer is None else f"{question}{answer}"

    def prompt(self, question: str, image_size: tuple[int, int]) -> Prompt:
        """Return a prompt of the image's tokens and the question's."""
        image = [self._token(_IMAGE)] * self._visual
        return Prompt(question, tuple(image + self._tokens(question)), tuple(range(self._visual)))

    def answer_ids(self, question: str, answer: str, image_size: tuple[int, int]) -> tuple[int, ...]:
        """Return an answer's tokens and an end."""
        return (*self._tokens(answer), self._token(_END))

    def inputs(self, images: Sequence[Any], text: str) -> dict[str, torch.Tensor]:
        """Return pixels of the size that the vision encoder is configured for."""
        return _pixels(self.name, self.model)

    def _tokens(self, text: str) -> list[int]:
        count = math.ceil(len(text) / CHARACTERS)
        return [self._token(text[CHARACTERS * i : CHARACTERS * (i + 1)]) for i in range(count)]

    def _token(self, piece: str) -> int:
        return self._cut.setdefault(piece, len(self._cut))


def unloaded(name: str, options: LoadOptions) -> Unloaded:
    """Return a subject without weights, with its processor if that can be had.

    Raises:
        EyechartError: there is no such subject, or it is no vision-language model.
    """
    import torch
    from transformers import AutoProcessor, GenerationConfig

    from eyechart.subjects.loading import compute_type, placing, skeleton, subject_folder

    model, folder = skeleton(name, options), subject_folder(name)
    model.set_attn_implementation("eager")  # which every family has; the products are the same
    compute = compute_type(options)
    model.to(torch.bfloat16 if compute == "bfloat16" else placing(options)["dtype"])
    try:
        processor = AutoProcessor.from_pretrained(folder, **options.source())
        processor.chat_template = options.chat_template or processor.chat_template
        found = Unloaded(name, model, processor, compute)
        if not found.processor.chat_template:
            raise ValueError("no chat template")
    except (OSError, ValueError, KeyError, ImportError, AttributeError):
        return Assumed(name, model, None, compute)
    with suppress(OSError):  # without the file, its configuration names the end tokens
        model.generation_config = GenerationConfig.from_pretrained(
            folder, revision=options.revision or "main"
        )
    return found


def without_weights(subject: ModelSubject) -> Any:
    """Return a subject's model on the meta device, in the type of its matrix products."""
    import torch
    from transformers import AutoModelForImageTextToText

    if subject.model.device.type == "meta":
        return subject.model
    with torch.device("meta"):
        found = AutoModelForImageTextToText.from_config(subject.model.config, attn_implementation="eager")
    return found.to(matrix_type(subject))


def matrix_type(subject: ModelSubject) -> torch.dtype:
    """Return the type in which a subject multiplies matrices."""
    import torch

    found: torch.dtype = torch.bfloat16 if subject.compute == "bfloat16" else subject.model.dtype
    return found


def _pixels(name: str, model: Any) -> dict[str, torch.Tensor]:
    import torch

    side = getattr(getattr(model.config, "vision_config", None), "image_size", None)
    if side is None:
        raise EyechartError(
            f"how large {name} sees an image is known to its processor alone, which is not there",
            "name a folder or an id on the hub that has the processor's files",
        )
    height, width = (side, side) if isinstance(side, int) else side
    return {"pixel_values": torch.zeros(1, 3, height, width)}


def _visual_tokens(name: str, model: Any) -> int:
    """Return how many tokens an image has, from the shape of its features."""
    import torch

    from eyechart.plan.flops import on_meta

    try:
        with torch.no_grad():
            return len(on_meta(model, _pixels(name, model)))
    except REFUSALS as error:
        raise EyechartError(
            f"how many tokens an image has is known to the processor of {name} alone, which is not there",
            "name a folder or an id on the hub that has the processor's files",
        ) from error


def blank(size: tuple[int, int]) -> Any:
    """Return a black image, uint8 HWC RGB."""
    return np.zeros((*size, 3), np.uint8)
