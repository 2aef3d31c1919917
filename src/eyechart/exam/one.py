"""Ask a model one question about some images, outside of an exam."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eyechart.exam.engine import read
from eyechart.exam.forest import Ask
from eyechart.exam.readings import Decoding
from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Pixels, by_size


def ask_one(
    subject: ModelSubject,
    images: Sequence[Pixels],
    question: str,
    answers: Sequence[str] = (),
    *,
    new_tokens: int = 0,
    batch: int = 32,
) -> tuple[list[str], NDArray[np.float64]]:
    """Ask by the model's own ``generate``, which is right for every family.

    Args:
        subject: the model.
        images: uint8 HWC RGB, of any sizes.
        question: what is asked.
        answers: texts whose likelihood is wanted.
        new_tokens: longest text; 0 writes none.
        batch: images at a time.

    Returns:
        The greedy text of each image, and the log-likelihood of each whole answer, [n, answers].
    """
    found: dict[int, tuple[str, NDArray[np.float64]]] = {}
    for rows in track(by_size(images, batch), "asking"):
        size = images[rows[0]].shape[:2]
        spelled = [subject.answer_ids(question, answer, size) for answer in answers]
        ask = Ask(subject.prompt(question, size), tuple(spelled))
        shown = [images[i] for i in rows]
        readings = read(subject, shown, [ask], Decoding(new_tokens), scheme="plain")[0]
        found |= zip(rows, zip(readings.texts, readings.logp, strict=True), strict=True)
    order = [found[row] for row in range(len(images))]
    return [text for text, _ in order], np.stack([logp for _, logp in order])
