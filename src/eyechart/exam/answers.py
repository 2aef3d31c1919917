"""Rows of the answers table: what one item's readings on a batch of images say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.exam.items import YES_NO, Item
from eyechart.exam.readings import Readings
from eyechart.templates import Lexicon, Question, parse

Row = dict[str, Any]
Scores = NDArray[np.float64]


def chosen(item: Item, reading: Readings, prior: Scores, labels: Sequence[str]) -> Iterator[Row]:
    """Yield, for each image, the label whose full answer is the likeliest; none where a number is not finite.

    Args:
        item: what was asked.
        reading: what it gave.
        prior: log-likelihood of each answer on an image without content, [K].
        labels: the exam's labels.
    """
    mean = reading.logp / reading.lengths
    for row in range(len(reading.logp)):
        scores = {"logp": reading.logp[row], "logp_mean": mean[row], "logp_first": reading.first[row]}
        found = _named(item.questions[0], *_likeliest(reading.logp[row], labels)) | scores
        yield {"readout": "choose", "repeat": 0, "text": "", "logp_prior": prior} | found


def written(
    item: Item, reading: Readings, seeds: Sequence[Sequence[int]], labels: Sequence[str], lexicon: Lexicon
) -> Iterator[Row]:
    """Yield, for each image, what its greedy text says, then what each sampled text says.

    Args:
        item: what was asked.
        reading: what it gave.
        seeds: of each image's samples, [n][repeats].
        labels: the exam's labels.
        lexicon: the words that the parser knows.
    """
    question = item.questions[0]
    repeats = len(seeds[0])
    texts = [[text, *reading.samples[row][:repeats]] for row, text in enumerate(reading.texts)]
    known = {text: parse(text.strip(), labels, lexicon, question) for row in texts for text in row}
    for repeat in range(1 + repeats):
        for row, own in enumerate(texts):
            parsed = known[own[repeat]]
            label = parsed.labels[0] if parsed.status == "label" else None
            yield {
                **{"readout": "generate", "repeat": repeat, "text": own[repeat].strip()},
                **{"entropy": reading.entropy[row], "seed": seeds[row][repeat - 1] if repeat else None},
                **_named(question, label, parsed.status),
            }


def judged(readings: Sequence[Readings], priors: Sequence[Scores], labels: Sequence[str]) -> Iterator[Row]:
    """Yield, for each image, log p(yes) - log p(no) of each label; the label with the largest is named,
    and none where a number is not finite.

    Args:
        readings: what the question about each label gave; its first answer is yes, its second no.
        priors: the same on an image without content.
        labels: the exam's labels.
    """
    odds = np.stack([reading.logp[:, 0] - reading.logp[:, 1] for reading in readings], 1)
    prior = np.array([own[0] - own[1] for own in priors])
    for own in odds:
        label, status = _likeliest(own, labels)
        found = {"logp": own, "logp_prior": prior, "predicted": label, "status": status}
        yield {"readout": YES_NO, "repeat": 0, "text": ""} | found


def _likeliest(scores: Scores, labels: Sequence[str]) -> tuple[str | None, str]:
    """Return the label with the largest score and the answer's status; no label where a score is not finite.

    NaN counts as the largest number for ``argmax``: it would name a label for no reason.
    """
    return (labels[int(scores.argmax())], "label") if np.isfinite(scores).all() else (None, "unparsed")


def _named(question: Question, label: str | None, status: str) -> Row:
    """Return the label that an answer names, and where in the question it was listed."""
    listed = label is not None and label in question.options
    position = question.options.index(label) if listed and label is not None else None
    return {"predicted": label, "status": status, "position": position}
