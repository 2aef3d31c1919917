"""Check a subject before an exam: its components, its image positions, its stages, its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.subjects.prove import Claim, prove
from eyechart.subjects.stages import stages

if TYPE_CHECKING:
    import torch

# Between a batch and one prompt alone, where only the order of sums differs. Rounding is by a share of what
# is rounded, so that in 16 bits the tolerance is in steps of the type (2^-7 in bfloat16, 2^-10 in float16).
# Measured on the tiny models of 44 families and on the built-in subject of 30 layers, in both types: logits
# differ by 3.4 steps of the largest one at most, states by 5.9. Padding that is read as text moves them by 12
# steps and more (55 in the built-in subject), but for a tiny PaliGemma in bfloat16, by 5.
TOLERANCE = 1e-3  # in float32, and the least in any type
LOGIT_STEPS, STATE_STEPS = 6, 16
_QUESTIONS = (
    "What is the main distortion of this image?",
    "Look at this image and name, in one word, what has been done to it most of all.",
)

_ANSWERS = ("blur", "compression", "clean")


def check_subject(subject: ModelSubject, images: list[Pixels], tensors: int | None = 4) -> list[Claim]:
    """Return what holds of a subject; see :func:`eyechart.subjects.prove.prove`.

    Args:
        subject: an open model with its processor.
        images: two images of one size that differ, uint8 HWC RGB.
        tensors: how many parameters of each component to change; None changes every one.
    """
    one, two = (_inputs(subject, [_QUESTIONS[0]], [image]) for image in images[:2])
    found = prove(subject.model, one, two, tensors)
    return [*found, _stages(subject, images), _choosing(subject, images), _padding(subject, images)]


def _inputs(subject: ModelSubject, questions: list[str], images: list[Pixels]) -> dict[str, Any]:
    """Return what the processor makes of prompts with one image each, padded on the left."""
    texts = [subject.conversation(question) for question in questions]
    seen = subject.processor(
        text=texts,
        images=[[image] for image in images],
        padding=True,
        padding_side="left",
        return_tensors="pt",
    )
    dtype = subject.model.dtype
    return {
        name: value.to(subject.device, dtype if value.is_floating_point() else None)
        for name, value in seen.items()
    }


def _stages(subject: ModelSubject, images: list[Pixels]) -> Claim:
    """Every stage can be read, and in a batch each image's states are those that it has alone."""
    import torch

    claim = "the states at every stage are told apart by image"
    text = subject.conversation(_QUESTIONS[0])
    try:
        with torch.no_grad():
            together = stages(subject.model, subject.inputs(images[:2], text))
            alone = [stages(subject.model, subject.inputs([image], text)) for image in images[:2]]
    except EyechartError as error:
        return Claim(claim, False, error.what)
    apart = max(_apart(together[name][i], alone[i][name][0]) for name in together for i in range(2))
    counts = ", ".join(
        f"{sum(name.startswith(part) for name in together)} of the {part}"
        for part in ("encoder", "projector", "language")
    )
    tolerance = _tolerance(subject.model.dtype, STATE_STEPS)
    told = f"{len(together)} stages ({counts}); in a batch they differ by {apart:.1e} of their size at most"
    return Claim(claim, apart <= tolerance, f"{told}, tolerance {tolerance:.1e}")


def _tolerance(dtype: torch.dtype, steps: float) -> float:
    """Return how far numbers may lie apart that are the same but for rounding: steps of their type."""
    import torch

    return TOLERANCE if dtype.itemsize >= 4 else max(TOLERANCE, steps * torch.finfo(dtype).eps)


def _apart(one: torch.Tensor, two: torch.Tensor) -> float:
    """Return the largest difference as a share of the largest value; infinite for different shapes."""
    if one.shape != two.shape:
        return float("inf")
    return float((one - two).float().abs().max() / two.float().abs().max().clamp(min=1e-12))


def _choosing(subject: ModelSubject, images: list[Pixels]) -> Claim:
    """In a batch, answers are scored and texts written as the model's own ``generate`` does alone."""
    import numpy as np

    from eyechart.exam.engine import read
    from eyechart.exam.forest import Ask
    from eyechart.exam.readings import Decoding
    from eyechart.exam.schemes import check_schemes

    size = images[0].shape[:2]
    asks = [
        Ask(subject.prompt(q, size), tuple(subject.answer_ids(q, answer, size) for answer in _ANSWERS))
        for q in _QUESTIONS
    ]
    exact = ModelSubject(subject.name, subject.model, subject.processor)
    checked, writing = check_schemes(subject, images[0], asks), Decoding(new_tokens=4)
    together = read(exact, images[:2], asks, writing, scheme=checked.scheme)
    alone = [read(exact, [image], asks, writing, scheme="plain") for image in images[:2]]
    pairs = [(together[a], alone[i][a], i) for a in range(len(asks)) for i in range(2)]
    apart = max(float(np.abs(one.logp[i] - two.logp[0]).max()) for one, two, i in pairs)
    same = all(one.texts[i] == two.texts[0] for one, two, i in pairs)
    refused = f"; not {', '.join(checked.refused)}" if checked.refused else ""
    return Claim(
        "answers are scored and written in a batch as the model's own generate does alone",
        same and apart <= checked.tolerance,
        f"way of asking: {checked.scheme}{refused}; log-likelihoods differ by {apart:.1e} at most; texts are "
        f"{'equal' if same else 'different'}",
    )


def _padding(subject: ModelSubject, images: list[Pixels]) -> Claim:
    """Two prompts of different length give together what each gives alone."""
    import torch

    with torch.no_grad():
        together = _answers(subject, list(_QUESTIONS), images[:2])
        alone = [_answers(subject, [q], [image]) for q, image in zip(_QUESTIONS, images, strict=False)]
    logp = [(torch.log_softmax(together[0][i], -1), torch.log_softmax(alone[i][0][0], -1)) for i in range(2)]
    apart = max(float((one - two).abs().max()) for one, two in logp)
    same = all(together[1][i] == alone[i][1][0] for i in range(2))
    whole = subject.model.dtype.itemsize >= 4
    largest = 1.0 if whole else max(float(one[0].abs().max()) for one, _ in alone)
    tolerance = _tolerance(subject.model.dtype, LOGIT_STEPS * largest)
    # In 16 bits the two best words may be equally likely, and then either is written.
    return Claim(
        "a padded batch answers as each prompt alone",
        (same or not whole) and apart <= tolerance,
        f"log-probabilities differ by {apart:.1e} at most, tolerance {tolerance:.1e}; texts are "
        f"{'equal' if same else 'different'}",
    )


def _answers(
    subject: ModelSubject, questions: list[str], images: list[Pixels]
) -> tuple[torch.Tensor, list[str]]:
    """Return the logits of the first token of the answer, and the greedy texts."""
    inputs = _inputs(subject, questions, images)
    logits = subject.model(**inputs).logits[:, -1].float()
    written = subject.model.generate(**inputs, max_new_tokens=4, do_sample=False)
    if written.shape[1] > inputs["input_ids"].shape[1]:  # some families return the answer alone
        written = written[:, inputs["input_ids"].shape[1] :]
    return logits, subject.processor.batch_decode(written, skip_special_tokens=True)
