"""What every contestant is asked: the same images, wordings and labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.corpora.types import TYPES
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject, Pixels, Prompt
from eyechart.taxonomy import load_label_map

SIDE = 112  # px, the built-in subject's and the default study's
# Wordings as an exam has them: one that lists the labels, the others open. A setting takes the first T.
WORDINGS = (
    "What is the main distortion of this image? Answer with one word.",
    "Which word fits this image best: {labels}?",
    "Look at the photo. Name its worst technical flaw in a single term.",
    "How was this picture degraded? Reply with the kind of distortion only.",
    "Which defect lowers the quality of this photograph the most?",
)


@dataclass(frozen=True)
class Setting:
    """How many wordings are asked, and which labels can be answered.

    Attributes:
        name: labels x wordings.
        labels: the candidates, K.
        wordings: the questions, T.
    """

    name: str
    labels: tuple[str, ...]
    wordings: tuple[str, ...]

    @classmethod
    def of(cls, labels: int, wordings: int) -> Setting:
        """Return the first wordings with 8 labels (``paper8``) or 25 (KADID-10k's types, as in ``fine``)."""
        known = {8: load_label_map("paper8").labels, 25: tuple(TYPES["kadid10k"].values())}
        return cls.asking(known[labels], WORDINGS[:wordings])

    @classmethod
    def asking(cls, labels: tuple[str, ...], wordings: tuple[str, ...]) -> Setting:
        """Return the setting with these labels put into the wordings."""
        asked = tuple(wording.format(labels=", ".join(labels)) for wording in wordings)
        return cls(f"{len(labels)} labels x {len(wordings)} templates", tuple(labels), asked)


@dataclass(frozen=True)
class Exam:
    """A setting made concrete for one subject: prompts and candidates as token ids."""

    subject: ModelSubject
    setting: Setting
    size: tuple[int, int] = (SIDE, SIDE)

    @cached_property
    def prompts(self) -> tuple[Prompt, ...]:
        """Return the prompt of each wording."""
        return tuple(self.subject.prompt(wording, self.size) for wording in self.setting.wordings)

    @cached_property
    def candidates(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """Return the token ids of each candidate for each wording, the end token included."""
        return tuple(
            tuple(self.subject.answer_ids(wording, label, self.size) for label in self.setting.labels)
            for wording in self.setting.wordings
        )


def images(count: int, side: int = SIDE) -> list[Pixels]:
    """Return squares cut from the photographs that ship with Eyechart, three of four with noise on them."""
    photos = [read_photo(photo.path) for photo in packaged_photos()]
    found = []
    for number in range(count):
        draw = rng(0, "benchmark", number)
        photo = photos[number % len(photos)]
        top, left = (int(draw.integers(edge - side + 1)) for edge in photo.shape[:2])
        cut = photo[top : top + side, left : left + side].astype(float)
        noisy = cut + 16 * (number % 4) * draw.standard_normal(cut.shape)
        found.append(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
    return found
