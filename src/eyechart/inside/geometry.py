"""The geometry of the stages: how alike they hold the images, what tuning moved, the gap to the words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.inside import similarity
from eyechart.inside.gap import Bundle, cone, gap, vocabulary_cone
from eyechart.inside.words import word_of
from eyechart.measures.statistics import Interval
from eyechart.progress import track
from eyechart.seeds import rng
from eyechart.subjects.stages import PROJECTED

if TYPE_CHECKING:
    from eyechart.inside.look import Look

NEIGHBOURS = 10
MOST_IMAGES = 1000  # of the test set; time and memory grow with their square
BEFORE = "before"  # the same stage, before tuning
MOST_LEFT_OUT = 50  # samples of the jackknife
COLUMNS = ["arm", "measure", "stage", "order", "other", "value", "low", "high", "chance", "n", "contents"]

Row = dict[str, Any]


def geometry(look: Look) -> pd.DataFrame:
    """Measure every stage against the next one and against itself before tuning, and the gap to the words.

    Every feature (mean and standard deviation over an image's tokens) is standardised over the images first.

    Returns:
        One row a measure and stage, with its 95 % interval by content (see
        :mod:`eyechart.inside.similarity`), ``other`` (what the stage is held against) and ``chance``:

        - ``cka``, ``cka_plain``: linear CKA, without bias and as first published; ``other`` is the next
          stage, or ``before`` for the same stage of the subject before tuning.
        - ``overlap``: the share of an image's 10 nearest neighbours that are the same in ``other``.
        - ``label_purity``: the share of an image's 10 nearest neighbours of other contents that have its
          label.
        - ``gap``: distance of the centroids of visual tokens and of ``other``, ``labels`` or ``vocabulary``;
          ``cone``: mean cosine of two visual tokens of different images (``other`` empty), of two labels, of
          two words. Only where the tokens of the projector's output are kept. What is of words has no
          interval, for no image is in it.
    """
    count = len(look.table)
    rows = np.arange(count)
    if count > MOST_IMAGES:
        rows = np.sort(rng(look.seed, "geometry").permutation(count)[:MOST_IMAGES])
    scene = _Scene.of(look.table.iloc[rows], look.seed)
    names, found = look.states.names, list[Row]()
    last = None
    for order, stage in enumerate(track(names, f"{look.arm}: geometry of the stages", len(names))):
        now = scene.view(look.states.pooled(stage)[rows])
        if last is not None:
            found += scene.compared(last, now, names[order - 1], order - 1, stage)
        if look.base_states is not None:
            before = scene.view(look.base_states.pooled(stage)[rows])
            found += scene.compared(now, before, stage, order, BEFORE)
        found += scene.pure(now, stage, order)
        last = now
    if PROJECTED in look.states.kept:
        found += _gaps(look, rows, scene.left)
    table = pd.DataFrame(found).sort_values("order", kind="stable", ignore_index=True)
    return table.assign(arm=look.arm, n=len(rows), contents=len(set(scene.contents)))[COLUMNS]


@dataclass(frozen=True)
class _View:
    """What the images look like at one stage: their inner products and each one's nearest others."""

    gram: NDArray[np.float64]
    ranked: similarity.Ints


@dataclass(frozen=True)
class _Scene:
    """The images, and the samples of them on which every measure is taken.

    Attributes:
        labels, contents: of each image.
        left: [n, m], the images of each sample; all of them come first.
        k: neighbours; fewer than ``NEIGHBOURS`` where a sample has no more of other contents.
        ranks: nearest others to be known of each image, so that k of any kind are in every sample.
    """

    labels: similarity.Texts
    contents: similarity.Texts
    left: similarity.Mask
    k: int
    ranks: int

    @classmethod
    def of(cls, table: pd.DataFrame, seed: int) -> _Scene:
        labels, contents = (table[name].to_numpy(dtype=object) for name in ("label", "content"))
        left = similarity.samples(contents.astype(str), MOST_LEFT_OUT, seed)
        out = int((~left).sum(axis=0).max() + table["content"].value_counts().max())  # at worst
        k = min(NEIGHBOURS, len(table) - out)
        return cls(labels, contents, left, k, min(k + out, len(table) - 1))

    def view(self, values: NDArray[np.float32]) -> _View:
        scaled = similarity.standardised(values)
        ranked = similarity.nearest(scaled, self.ranks) if self.k > 0 else np.empty((len(scaled), 0), int)
        return _View(similarity.gram(scaled), ranked)

    def compared(self, one: _View, two: _View, stage: str, order: int, other: str) -> Iterator[Row]:
        """Yield how alike two stages, or two subjects, hold the images."""
        found = {
            "cka": (similarity.cka(one.gram, two.gram, self.left), 0.0),
            "cka_plain": (similarity.cka(one.gram, two.gram, self.left, debiased=False), np.nan),
        }
        if self.k > 0:
            shared = similarity.overlap(one.ranked, two.ranked, self.left, self.k)
            found["overlap"] = shared, self.k / (len(self.labels) - 1)
        for measure, (values, chance) in found.items():
            yield _row(measure, stage, order, other, similarity.jackknife(values, (-1, 1)), chance)

    def pure(self, view: _View, stage: str, order: int) -> Iterator[Row]:
        """Yield how many neighbours of other contents have an image's label."""
        if self.k > 0:
            found = similarity.purity(view.ranked, self.labels, self.contents, self.left, self.k)
            foreign = self.contents[:, None] != self.contents
            alike = (self.labels[:, None] == self.labels) & foreign
            chance = float((alike.sum(axis=1) / foreign.sum(axis=1)).mean())
            yield _row("label_purity", stage, order, "", similarity.jackknife(found, (0, 1)), chance)


def _gaps(look: Look, rows: similarity.Ints, left: similarity.Mask) -> Iterator[Row]:
    """Yield the gap between visual tokens and words, and the cones of both."""
    tokens = look.states.tokens(PROJECTED)
    visual = Bundle.of(tokens[row] for row in track(rows, f"{look.arm}: gap to the words", len(rows)))
    labels = Bundle.of(look.subject.word_embedding(word_of(label))[None] for label in look.labels)
    vocabulary = Bundle.of_vocabulary(look.subject.model.get_input_embeddings().weight)
    order = look.states.names.index(PROJECTED)
    for other, words in (("labels", labels), ("vocabulary", vocabulary)):
        found = similarity.jackknife(gap(visual, words, left), (0, 2))
        yield _row("gap", PROJECTED, order, other, found, np.nan)
    of_labels = float(cone(labels, np.ones((len(look.labels), 1), bool))[0])
    cones = {
        "": similarity.jackknife(cone(visual, left), (-1, 1)),
        "labels": Interval(of_labels, np.nan, np.nan),
        "vocabulary": Interval(vocabulary_cone(vocabulary), np.nan, np.nan),
    }
    for other, found in cones.items():
        yield _row("cone", PROJECTED, order, other, found, np.nan)


def _row(measure: str, stage: str, order: int, other: str, found: Interval, chance: float) -> Row:
    row: Row = {"measure": measure, "stage": stage, "order": order, "other": other, "chance": chance}
    return row | {"value": found.value, "low": found.low, "high": found.high}
