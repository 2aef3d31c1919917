"""The answers table: every image, template and readout of an exam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt

from eyechart.exam.engine import Readings, ask
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.templates import Lexicon, Template, load_lexicon, parse

if TYPE_CHECKING:
    import torch

IMAGE_COLUMNS = ["image_id", "content", "corpus", "distortion", "level", "label"]


class ExamConfig(BaseModel):
    """Settings of an exam."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: PositiveInt = 32
    new_tokens: PositiveInt = 6


def examine(
    subject: ModelSubject,
    arm: str,
    table: pd.DataFrame,
    images: list[Pixels],
    tokens: torch.Tensor,
    labels: Sequence[str],
    templates: Sequence[Template],
    config: ExamConfig,
) -> pd.DataFrame:
    """Ask every template about every image.

    Args:
        subject: the model.
        arm: what the answers are filed under.
        table: the images' rows of the dataset.
        images: the images, uint8 HWC RGB of one size, in the order of ``table``.
        tokens: their projected visual tokens (see :meth:`ModelSubject.visual_tokens`).
        labels: the candidates.
        templates: the wordings.
        config: settings.

    Returns:
        The answers table; ``logp`` is the log-likelihood of each full candidate with its end, ``logp_mean``
        the same per token, ``logp_prior`` that on an image without content (the exam's mean colour),
        ``logp_first`` that of each candidate's first token.
    """
    lexicon = load_lexicon()
    blank = subject.visual_tokens([content_free(images)])
    parts = []
    for template in templates:
        question = template.question(labels)
        size = images[0].shape[:2]
        prompt = subject.prompt(question, size)
        candidates = tuple(subject.answer_ids(question, label, size) for label in labels)
        asked = {"new_tokens": config.new_tokens, "batch": config.batch}
        readings = ask(subject, tokens, prompt, candidates, what=f"{arm}: asking {template.id}", **asked)
        prior = ask(subject, blank, prompt, candidates, new_tokens=0).logp[0]
        base = (
            table[IMAGE_COLUMNS]
            .reset_index(drop=True)
            .assign(arm=arm, template=template.id, template_split=template.split, prompt=prompt.text)
        )
        parts += [_chosen(base, readings, prior, labels), _generated(base, readings, labels, lexicon)]
    answers = pd.concat(parts, ignore_index=True)
    return answers.assign(correct=(answers["predicted"] == answers["label"]).fillna(False).astype(bool))


def content_free(images: Sequence[Pixels]) -> Pixels:
    """Return an image of the same size that shows nothing: the mean colour of the given ones."""
    mean = np.mean([image.reshape(-1, 3).mean(0) for image in images], axis=0)
    return np.broadcast_to(np.rint(mean).astype(np.uint8), images[0].shape).copy()


def _chosen(
    base: pd.DataFrame, readings: Readings, prior: NDArray[np.float64], labels: Sequence[str]
) -> pd.DataFrame:
    best = readings.logp.argmax(1)
    return base.assign(
        readout="choose",
        text="",
        status="label",
        predicted=[labels[i] for i in best],
        logp=list(readings.logp),
        logp_mean=list(readings.logp / readings.lengths),
        logp_prior=pd.Series([prior] * len(base)),
        logp_first=list(readings.first),
    )


def _generated(
    base: pd.DataFrame, readings: Readings, labels: Sequence[str], lexicon: Lexicon
) -> pd.DataFrame:
    texts = [text.strip() for text in readings.texts]
    known = {text: parse(text, labels, lexicon) for text in set(texts)}
    parsed = [known[text] for text in texts]
    return base.assign(
        readout="generate",
        text=texts,
        status=[p.status for p in parsed],
        predicted=pd.Series([p.labels[0] if p.status == "label" else None for p in parsed], dtype=object),
    )
