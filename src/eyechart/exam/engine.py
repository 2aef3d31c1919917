"""Ask a model many questions on a batch of images, by the fastest way that is right for its family.

- ``shared``: the beginning that all prompts share, images included, is computed once; then one forest
  (:mod:`eyechart.exam.shared`).
- ``prompt``: each prompt is computed once; its answers are one tree. For models in which the words of a
  question change what stands before them (PaliGemma's two-way attention).
- ``stepwise``: each prompt is computed once, its answers one token after the other
  (:mod:`eyechart.exam.stepwise`).
- ``plain``: the model's own ``generate``, once for each answer (:mod:`eyechart.exam.plain`).

:mod:`eyechart.exam.schemes` measures which one is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from eyechart.exam.forest import Ask, grow, shared_length
from eyechart.exam.plain import read_plain
from eyechart.exam.readings import Decoding, Readings, Seeds
from eyechart.exam.shared import read_shared
from eyechart.exam.stepwise import read_stepwise
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.subjects.reading import Reader

if TYPE_CHECKING:
    import torch

Scheme = Literal["shared", "prompt", "stepwise", "plain"]
_NO_TEXT = Decoding()
_AT_ONCE = 2**27  # predictions held at a time: tokens x vocabulary, 512 MiB in float32


def read(
    subject: ModelSubject,
    images: Sequence[Pixels],
    asks: Sequence[Ask],
    decoding: Decoding = _NO_TEXT,
    seeds: Seeds = (),
    scheme: Scheme = "shared",
) -> list[Readings]:
    """Score the answers of every question, and write texts, for a batch of images.

    Args:
        subject: the model.
        images: uint8 HWC RGB of one size.
        asks: questions, rendered for images of that size.
        decoding: how texts are written.
        seeds: of the samples, [question][image][repeat].
        scheme: see above.

    Returns:
        One reading a question.
    """
    if scheme in ("shared", "prompt"):
        longest = max(_length(ask, decoding) for ask in asks)
        scheme = scheme if longest <= _window(subject.model) else "stepwise"
    with subject.asking():
        if scheme == "shared":
            found = _shared(subject, images, asks, decoding, seeds)
        else:
            found = [
                _alone(subject, images, ask, decoding, seeds[i : i + 1], scheme) for i, ask in enumerate(asks)
            ]
    return [_with_texts(subject, readings, tokens) for readings, tokens in found]


def _window(model: Any) -> float:
    """Return how many tokens a model may remember before a layer forgets the first of them.

    A layer whose window slides forgets by number, and does not know which tokens of a forest belong together.
    """
    config = model.config.get_text_config()
    slides = any("sliding" in kind for kind in getattr(config, "layer_types", None) or ())
    return config.sliding_window if slides else inf


def _length(ask: Ask, decoding: Decoding) -> int:
    """Return how many tokens a question, its answers and its texts have at most."""
    texts = decoding.branches * decoding.new_tokens if ask.write else 0
    return len(ask.prompt.ids) + sum(map(len, ask.candidates)) + texts


Found = tuple[Readings, list[list[list[int]]]]


def _alone(
    subject: ModelSubject,
    images: Sequence[Pixels],
    ask: Ask,
    decoding: Decoding,
    seeds: Seeds,
    scheme: Scheme,
) -> Found:
    """Ask one question by itself."""
    inputs, decoding = subject.inputs(images, ask.prompt.text), decoding if ask.write else _NO_TEXT
    if scheme == "prompt":
        reader = Reader(subject.model, inputs, len(ask.prompt.ids))
        return read_shared(reader, [ask], subject.end_ids, decoding, seeds)[0]
    way: Any = read_stepwise if scheme == "stepwise" else read_plain
    found: Found = way(subject.model, inputs, ask, subject.end_ids, decoding, seeds)
    return found


def _shared(
    subject: ModelSubject, images: Sequence[Pixels], asks: Sequence[Ask], decoding: Decoding, seeds: Seeds
) -> list[Found]:
    """Ask all questions after one common beginning; each by itself where the image comes after it."""
    start = shared_length(asks)
    if any(place >= start for ask in asks for place in ask.prompt.image_positions):
        return [
            _alone(subject, images, ask, decoding, seeds[i : i + 1], "prompt") for i, ask in enumerate(asks)
        ]
    inputs: Mapping[str, torch.Tensor] = subject.inputs(images, asks[0].prompt.text)
    reader, found = Reader(subject.model, inputs, start), []
    room = _AT_ONCE // (len(images) * reader.last.shape[-1])
    for part in _parts(asks, start, room, _window(subject.model) - start, decoding):
        found += read_shared(reader, asks[part], subject.end_ids, decoding, seeds[part])
        reader.forget()
    return found


def _parts(
    asks: Sequence[Ask], start: int, room: float, window: float, decoding: Decoding
) -> Iterator[slice]:
    """Yield runs of questions whose forests are read from at few enough places and fit into the window."""
    first, held, length = 0, 0, 0
    for i, ask in enumerate(asks):
        places, tokens = len(grow([ask], start).read_from()), _length(ask, decoding) - start
        if i > first and (held + places > room or length + tokens > window):
            yield slice(first, i)
            first, held, length = i, 0, 0
        held, length = held + places, length + tokens
    yield slice(first, len(asks))


def _with_texts(subject: ModelSubject, readings: Readings, tokens: list[list[list[int]]]) -> Readings:
    decode = subject.processor.tokenizer.batch_decode
    texts = [decode(image, skip_special_tokens=True) for image in tokens]
    return replace(
        readings,
        texts=[image[0] if image else "" for image in texts],
        samples=[image[1:] for image in texts],
    )
