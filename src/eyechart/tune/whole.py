"""Train through a model's own forward pass: right for every family that the exam can ask.

What the processor makes of an image goes in as it is: grids and their positions, tiles, masks by which image
positions see one another. Nothing is kept between steps; :mod:`eyechart.tune.loss` is the faster way for
families whose images are one array of pixels each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from eyechart.subjects.components import model_type
from eyechart.subjects.entering import entering
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.subjects.reading import PER_TOKEN
from eyechart.subjects.stages import projected

if TYPE_CHECKING:
    import torch

_SUFFIX = {"paligemma": 1}  # token type of what the model writes; 0 elsewhere


def visual(subject: ModelSubject, images: Sequence[Pixels], question: str) -> list[torch.Tensor]:
    """Return each image's visual tokens [tokens, width] with gradient; the language model is not run.

    Args:
        subject: the model.
        images: uint8 HWC RGB of one size.
        question: what is asked of each image.
    """
    with subject.precision():
        inputs = subject.inputs(images, subject.conversation(question))
        return projected(subject.model, inputs, entering(subject.model, inputs))


def answered(
    subject: ModelSubject, images: Sequence[Pixels], question: str, answers: Sequence[tuple[int, ...]]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return each image's visual tokens, and the mean negative log-likelihood of its answer's tokens.

    Args:
        subject: the model.
        images: n images, uint8 HWC RGB of one size.
        question: what is asked of each image.
        answers: the answer's token ids of each image, the end token included.

    Returns:
        n times [tokens, width], and [n] in float32, both with gradient.
    """
    with subject.precision():
        inputs = subject.inputs(images, subject.conversation(question))
        return losses(subject.model, inputs, answers)


def losses(
    model: Any, inputs: Mapping[str, torch.Tensor], answers: Sequence[tuple[int, ...]]
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Return what :func:`answered` returns, from what the processor made of prompts of one length.

    Answers follow the prompts and are padded on the right, where no token of an answer sees the padding.
    """
    import torch
    import torch.nn.functional as F

    longest = max(map(len, answers))
    target = torch.full((len(answers), longest), -100, device=inputs["input_ids"].device)
    for row, answer in enumerate(answers):
        target[row, : len(answer)] = torch.tensor(answer, device=target.device)
    ids = target.where(target != -100, answers[0][0])  # padding may be any token but an image's
    full = {
        name: torch.cat([value, _more(model, name, value, ids, target)], 1) if name in PER_TOKEN else value
        for name, value in inputs.items()
    }
    known = signature(model.forward).parameters
    few = {"logits_to_keep": longest + 1} if "logits_to_keep" in known else {}
    door = entering(model, {**full, **few}, onward=True)
    logits = door.out.logits[:, -longest - 1 : -1].float()
    each = F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view(len(answers), -1)
    return projected(model, full, door), each.sum(1) / (target != -100).sum(1)


def _more(
    model: Any, name: str, value: torch.Tensor, ids: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """Return how an input that goes by tokens continues over the answers, [n, longest, ...]."""
    import torch

    if name == "input_ids":
        return ids
    if name == "attention_mask":
        return (target != -100).to(value.dtype)
    if name == "cross_attention_mask":  # text sees the image as the last token before it does
        return value[:, -1:].expand(-1, ids.shape[1], *value.shape[2:])
    return torch.full_like(ids, _SUFFIX.get(model_type(model), 0), dtype=value.dtype)
