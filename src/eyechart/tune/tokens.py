"""Visual tokens of families whose images are one array of pixels each: computed from what is needed alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eyechart.subjects.entering import visual_tokens
from eyechart.subjects.model import ModelSubject
from eyechart.tune.lesson import Lesson

if TYPE_CHECKING:
    import torch

Tokens = Callable[[NDArray[np.int64]], "torch.Tensor"]  # from rows of a lesson to visual tokens
_AT_ONCE = 200


def is_plain(subject: ModelSubject, lesson: Lesson) -> bool:
    """Say whether visual tokens can be computed apart from the prompt, and put into it.

    So it is if the processor gives one array of pixels an image and nothing else that goes with it, and if
    vision encoder and projector alone make of it exactly what enters the language model. Grids, tiles, masks
    by which image positions see one another, and cross-attention are not plain.
    """
    import torch

    shapes, model = set(), subject.model
    known = {"input_ids", "attention_mask", "pixel_values"}
    if getattr(model, "embeddings_need_types", False):  # told by ModelSubject.modality
        known.add("mm_token_type_ids")
    for size in sorted({lesson.size(row) for row in range(len(lesson.targets))}):
        grey = np.full((*size, 3), 128, np.uint8)
        inputs = subject.inputs([grey], subject.conversation(lesson.questions[0]))
        shapes.add(inputs.get("pixel_values", inputs["input_ids"]).shape)
        if not set(inputs) <= known or len(shapes) > 1 or len(next(iter(shapes))) != 4:
            return False
    if next(iter(shapes))[0] != 1:
        return False
    with torch.no_grad():
        try:
            apart = subject.project(inputs["pixel_values"])
        except (AttributeError, TypeError):  # the family's features have another name, or want more
            return False
        entered = visual_tokens(model, inputs)
    return apart.numel() == entered.numel() and torch.allclose(
        apart.reshape(entered.shape), entered, atol=1e-4
    )


def from_pixels(subject: ModelSubject, lesson: Lesson) -> Tokens:
    """Return tokens computed from the images, with gradient wherever it is on."""
    return lambda rows: subject.project(subject.pixel_values([lesson.images[i] for i in rows]))


def from_features(subject: ModelSubject, features: torch.Tensor) -> Tokens:
    """Return tokens computed from the frozen encoder's kept features, with gradient in the projector.

    Args:
        subject: the model.
        features: what its projector receives of every image (:mod:`eyechart.tune.features`).
    """
    projector = subject.projector
    return lambda rows: projector(features[rows].to(subject.device).float())


def fixed(subject: ModelSubject, features: torch.Tensor) -> Tokens:
    """Return the visual tokens of a vision path that nothing trains: projected once, kept off the GPU."""
    import torch

    project, count = from_features(subject, features), len(features)
    with torch.no_grad(), subject.precision():
        starts = range(0, count, _AT_ONCE)
        parts = [project(np.arange(i, min(i + _AT_ONCE, count))).float().cpu() for i in starts]
    tokens = torch.cat(parts)
    return lambda rows: tokens[rows].to(subject.device)
