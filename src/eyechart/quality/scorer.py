"""Ask a subject the scoring questions about batches of images."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from eyechart.exam.answers import Row
from eyechart.exam.engine import Scheme, read
from eyechart.exam.forest import Ask
from eyechart.exam.prompts import PromptRow, prompt_key
from eyechart.exam.readings import Decoding, Readings, Seeds
from eyechart.quality.asks import Scored, Size, as_asked, scoring_ask, squared
from eyechart.quality.config import ScoreConfig
from eyechart.quality.levels import level_scores, unit
from eyechart.quality.spoken import spoken
from eyechart.quality.template import ScoringTemplate
from eyechart.seeds import seed_of
from eyechart.subjects.model import ModelSubject, Pixels

READOUTS = ("levels", "text")
_SIZES = 64  # of images whose rendered questions are kept


class Scorer:
    """Asks one subject for scores.

    Args:
        subject: the model.
        arm: what the scores are filed under.
        templates: what is asked.
        config: settings.
        seed: the run's seed.

    Attributes:
        scheme: how the subject is asked (see :mod:`eyechart.exam.engine`).
    """

    def __init__(
        self,
        subject: ModelSubject,
        arm: str,
        templates: Sequence[ScoringTemplate],
        config: ScoreConfig,
        seed: int,
    ) -> None:
        self.scheme: Scheme = "shared"
        self._asked = [as_asked(subject, template) for template in templates]
        self._order = {one.template.id: i for i, one in enumerate(self._asked)}
        self._subject, self._arm, self._config, self._seed = subject, arm, config, seed
        self._rendered = lru_cache(_SIZES)(self._render)

    def answer(self, table: pd.DataFrame, images: Sequence[Pixels]) -> list[Row]:
        """Ask everything about one batch.

        Args:
            table: the images' rows of the dataset.
            images: uint8 HWC RGB of one size, in the order of ``table``.

        Returns:
            Rows with columns of :data:`eyechart.quality.run.COLUMNS`, template by template.
        """
        config, began = self._config, time.perf_counter()
        names = table["image_id"].tolist()
        decoding = Decoding(config.new_tokens, config.repeats, config.temperature)
        seeds = [self._seeds_of(one, names) for one in self._asked]
        size = (images[0].shape[0], images[0].shape[1])
        readings = self._read(images, self.asks(size), decoding, seeds)
        rows: list[Row] = []
        for one, found, own in zip(self._asked, readings, seeds, strict=True):
            told = {"arm": self._arm, "prompt": prompt_key(one.prompt)} | facts(one.template)
            rows += [{"image_id": names[i], **told, **row} for i, row in self._rows(one.template, found, own)]
        share = (time.perf_counter() - began) / len(rows)
        return [row | {"seconds": share} for row in rows]

    def order_of(self, row: Row) -> tuple[int, int, int]:
        """Return a row's place in the table: template by template, readout by readout, repeat by repeat."""
        return self._order[row["template"]], READOUTS.index(row["readout"]), row["repeat"]

    def asks(self, size: Size) -> list[Ask]:
        """Return all questions as the subject receives them with images of one size."""
        return self._rendered(size)

    def prompts(self) -> list[PromptRow]:
        """Return the exact strings that are asked."""
        return [
            PromptRow(prompt_key(one.prompt), one.template.id, 0, None, one.prompt) for one in self._asked
        ]

    def _read(
        self, images: Sequence[Pixels], asks: Sequence[Ask], decoding: Decoding, seeds: Seeds
    ) -> list[Readings]:
        """Ask in one go what is asked of pictures that are made square in the same way."""
        ways: dict[str | None, list[int]] = {}
        for place, one in enumerate(self._asked):
            ways.setdefault(one.squaring, []).append(place)
        found: dict[int, Readings] = {}
        for squaring, places in ways.items():
            some, own = [asks[i] for i in places], [seeds[i] for i in places]
            with squared(self._subject, squaring):
                found |= zip(
                    places, read(self._subject, images, some, decoding, own, self.scheme), strict=True
                )
        return [found[place] for place in range(len(asks))]

    def _render(self, size: Size) -> list[Ask]:
        return [
            scoring_ask(self._subject, one, size, write=self._writes(one.template)) for one in self._asked
        ]

    def _writes(self, template: ScoringTemplate) -> bool:
        """Say whether a text is wanted: where a number is asked for, or where texts are drawn again."""
        return template.kind == "number" or self._config.repeats > 0

    def _rows(
        self, template: ScoringTemplate, found: Readings, seeds: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, Row]]:
        """Yield the rows of one template, each behind the place of its image in the batch."""
        if template.kind == "levels":
            values = level_scores(found.logp, template)
            for place, value in enumerate(values):
                scores = {"logp": found.logp[place], "logp_first": found.first[place]}
                told = {"readout": "levels", "repeat": 0, "text": ""}
                yield place, told | scored(template, "score", value) | scores
        if not self._writes(template):
            return
        for place, own in enumerate(seeds):
            for repeat, text in enumerate([found.texts[place], *found.samples[place][: len(own)]]):
                said = spoken(text, template)
                told = {"readout": "text", "repeat": repeat, "text": text.strip()}
                seed = {"seed": own[repeat - 1] if repeat else None, "entropy": found.entropy[place]}
                yield place, told | seed | scored(template, said.status, said.value)

    def _seeds_of(self, one: Scored, names: Sequence[str]) -> list[list[int]]:
        """Return the seed of every sampled text, [n][repeats]: the same in whatever batch it is drawn."""
        repeats = range(1, self._config.repeats + 1)
        key = prompt_key(one.prompt)
        return [[seed_of(self._seed, "score", name, key, k) for k in repeats] for name in names]


def scored(template: ScoringTemplate, status: str, value: float) -> Row:
    """Return a score as the table holds it: on 0 to 1, and on the template's own scale."""
    known = float(value) if status == "score" else math.nan
    return {"status": status, "value": known, "score": unit(known, template)}


def facts(template: ScoringTemplate) -> dict[str, Any]:
    """Return what a row says of its template."""
    return {
        "template": template.id,
        "template_split": template.split,
        "kind": template.kind,
        "language": template.language,
    }
