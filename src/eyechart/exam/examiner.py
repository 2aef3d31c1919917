"""Ask a subject an exam's questions about batches of images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pandas as pd

from eyechart.exam.answers import Row, Scores, chosen, judged, written
from eyechart.exam.config import READOUTS, ExamConfig
from eyechart.exam.content_free import Colour, content_free
from eyechart.exam.engine import Scheme, read
from eyechart.exam.forest import Ask
from eyechart.exam.items import Item, items
from eyechart.exam.readings import Decoding, Readings
from eyechart.exam.shards import IMAGE_COLUMNS
from eyechart.seeds import seed_of
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.templates import Question, load_lexicon

Size = tuple[int, int]

_SIZES = 64  # of images whose rendered questions are kept; a collection may have a size for every image


class Examiner:
    """Asks one subject the questions of an exam.

    Args:
        subject: the model.
        arm: what the answers are filed under.
        labels: the exam's labels.
        config: settings.
        colour: mean colour of the exam's images, float64 [3].
        seed: the run's seed.

    Attributes:
        items: what is asked, in order.
        scheme: how the subject is asked (see :mod:`eyechart.exam.engine`).

    Raises:
        EyechartError: no such template.
    """

    def __init__(
        self,
        subject: ModelSubject,
        arm: str,
        labels: Sequence[str],
        config: ExamConfig,
        colour: Colour,
        seed: int,
    ) -> None:
        self.items = items(subject, labels, config)
        self._order = {item.key: i for i, item in enumerate(self.items)}
        self.scheme: Scheme = "shared"
        self._subject, self._arm, self._labels, self._config = subject, arm, tuple(labels), config
        self._colour, self._seed, self._lexicon = colour, seed, load_lexicon()
        self._rendered = lru_cache(_SIZES)(self._render)
        self._priors: dict[Size, list[list[Scores]]] = {}

    def answer(self, table: pd.DataFrame, images: Sequence[Pixels]) -> list[Row]:
        """Ask everything about one batch.

        Args:
            table: the images' rows of the dataset.
            images: uint8 HWC RGB of one size, in the order of ``table``.

        Returns:
            Rows with columns of ``eyechart.exam.shards.COLUMNS``, item by item.
        """
        size = (images[0].shape[0], images[0].shape[1])
        began = time.perf_counter()
        priors = self._prior(size)
        seeds = [self._seeds_of(item, table["image_id"].tolist()) for item in self.items]
        readings = self._read(images, size, seeds)
        shown = table[IMAGE_COLUMNS].to_dict("records")
        rows: list[Row] = []
        for item, found, prior, own in zip(self.items, readings, priors, seeds, strict=True):
            told = self._told(item)
            rows += [
                {**image, **told, **row, "correct": row["predicted"] == image["label"]}
                for image, row in self._rows(item, shown, found, prior, own)
            ]
        share = (time.perf_counter() - began) / len(rows)
        return [row | {"seconds": share} for row in rows]

    def order_of(self, row: Row) -> tuple[int, int, int]:
        """Return a row's place in the table: item by item, readout by readout, repeat by repeat."""
        return self._order[row["prompt"]], READOUTS.index(row["readout"]), row["repeat"]

    def _rows(
        self,
        item: Item,
        shown: Sequence[Any],
        found: Sequence[Readings],
        prior: Sequence[Scores],
        seeds: Sequence[Sequence[int]],
    ) -> Iterator[tuple[Any, Row]]:
        """Yield each image with each of its rows of one item, readout by readout."""
        wanted = self._config.readouts
        made: list[Iterator[Row]] = []
        if item.yes_no:
            made.append(judged(found, prior, self._labels))
        if not item.yes_no and "choose" in wanted:
            made.append(chosen(item, found[0], prior[0], self._labels))
        if not item.yes_no and "generate" in wanted:
            made.append(written(item, found[0], seeds, self._labels, self._lexicon))
        for rows in made:
            for place, row in enumerate(rows):
                yield shown[place % len(shown)], row

    def _told(self, item: Item) -> Row:
        template = item.template
        of_template = {"template": template.id, "template_split": template.split, "kind": template.kind}
        of_item = {"language": template.language, "order": item.questions[0].order, "prompt": item.key}
        return {"arm": self._arm} | of_template | of_item

    def _read(
        self, images: Sequence[Pixels], size: Size, seeds: Sequence[Sequence[Sequence[int]]]
    ) -> list[list[Readings]]:
        """Return the readings of every item's questions."""
        config = self._config
        decoding = Decoding(config.new_tokens, config.repeats, config.temperature)
        own = [seeds[i] for i, item in enumerate(self.items) for _ in item.questions]
        told = iter(read(self._subject, images, self.asks(size), decoding, own, self.scheme))
        return [[next(told) for _ in item.questions] for item in self.items]

    def _prior(self, size: Size) -> list[list[Scores]]:
        """Return the likelihoods of every question's answers on an image without content."""
        if size not in self._priors:
            blank = content_free(self._colour, size)
            told = iter(read(self._subject, [blank], self.asks(size), scheme=self.scheme))
            self._priors[size] = [[next(told).logp[0] for _ in item.questions] for item in self.items]
        return self._priors[size]

    def asks(self, size: Size) -> list[Ask]:
        """Return all questions as the subject receives them with images of one size."""
        return [ask for own in self._rendered(size) for ask in own]

    def _render(self, size: Size) -> list[list[Ask]]:
        """Return every item's questions as the subject receives them with images of one size."""
        return [[self._ask(item, question, size) for question in item.questions] for item in self.items]

    def _ask(self, item: Item, question: Question, size: Size) -> Ask:
        """Render a question; what no readout wants of it is left out."""
        wanted = self._config.readouts
        texts = question.candidates if item.yes_no or "choose" in wanted else ()
        answers = tuple(self._subject.answer_ids(question.text, text, size) for text in texts)
        writes = not item.yes_no and "generate" in wanted
        return Ask(self._subject.prompt(question.text, size), answers, writes)

    def _seeds_of(self, item: Item, image_ids: Sequence[str]) -> list[list[int]]:
        """Return the seed of every sampled text, [n][repeats]: the same in whatever batch it is drawn."""
        repeats = range(1, self._config.repeats + 1)
        return [[seed_of(self._seed, "sample", name, item.key, k) for k in repeats] for name in image_ids]
