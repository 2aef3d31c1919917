"""Swap tuned components into the subject as it was before tuning, and measure what each of them is worth.

All 2^3 combinations of untuned and tuned vision encoder, projector and language model answer the same
questions. Weights are exchanged by reference: both subjects lie in memory once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd

from eyechart.errors import EyechartError
from eyechart.exam.blocks import batches
from eyechart.exam.engine import Scheme, read
from eyechart.exam.forest import Ask
from eyechart.inside.pairs import Load
from eyechart.inside.remember import Remembered, modules_of
from eyechart.progress import track
from eyechart.subjects.components import COMPONENTS, OTHER, assigned, components, tied
from eyechart.subjects.model import ModelSubject
from eyechart.tune.proof import held_buffers

if TYPE_CHECKING:
    import torch

BASE, TUNED = "base", "tuned"
Which = tuple[str, ...]  # of each component in the order of COMPONENTS: base or tuned


class Swap:
    """The weights of a tuned subject and of the one it was tuned from, component by component.

    Args:
        tuned: the tuned subject; it is the one that answers.
        base: the subject before tuning.

    Attributes:
        changed: components that tuning has changed.

    Raises:
        EyechartError: the two are not of one architecture, or differ in what belongs to no component.
    """

    def __init__(self, tuned: ModelSubject, base: ModelSubject) -> None:
        self._tuned, self._base = tuned, base
        mine, other = (components(one.model) for one in (tuned, base))
        buffers = held_buffers(tuned.model, mine), held_buffers(base.model, other)
        self._pairs: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for part in mine:
            names = [*mine[part], *buffers[0][part]]
            theirs = {**other.get(part, {}), **buffers[1].get(part, {})}
            if names != list(theirs):
                raise EyechartError(
                    f"{part} has other tensors than before tuning", "merge adapters into the weights"
                )
            here = {**mine[part], **buffers[0][part]}
            self._pairs[part] = [(here[name], theirs[name]) for name in names]
        self.changed = tuple(part for part in self._pairs if not _same(self._pairs[part]))
        if OTHER in self.changed:
            raise EyechartError(
                "tuning changed weights that are in no component", "swap arms whose proof.json is ok"
            )
        # What vision encoder and projector hand out does not depend on the language model, unless parts of it
        # were assigned to them.
        parts = {part: {} if assigned(tuned.model) else mine[part] for part in COMPONENTS}
        self._vision = modules_of(tuned.model, parts["vision"])
        self._projector = modules_of(tuned.model, parts["projector"])

    def combinations(self) -> list[Which]:
        """Return the combinations that differ: of a component that was not changed, only ``base``."""
        kinds = [(BASE, TUNED) if part in self.changed else (BASE,) for part in COMPONENTS]
        return list(product(*kinds))

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Return the context in which combinations may be read: both subjects' weights as they multiply."""
        with self._tuned.asking(), self._base.asking():
            yield

    @contextmanager
    def weights(self, which: Which) -> Iterator[None]:
        """Return the context in which the tuned subject has the given weights; put back bit for bit."""
        kinds = dict(zip(COMPONENTS, which, strict=True))
        swapped = [pair for part, kind in kinds.items() if kind == BASE for pair in self._pairs[part]]
        before = [mine.data for mine, _ in swapped]
        try:
            for mine, theirs in swapped:
                mine.data = theirs.data
            yield
        finally:
            for (mine, _), data in zip(swapped, before, strict=True):
                mine.data = data

    def logp(self, images: Sequence[Any], ask: Ask, scheme: Scheme) -> Iterator[tuple[Which, Any]]:
        """Yield each combination with log p of each answer, float64 [n, answers].

        The vision encoder computes once for each of its weights, the projector once for each pair of both.
        """
        seen: dict[Which, Remembered] = {}
        for which in self.combinations():
            vision = seen.setdefault(which[:1], Remembered(self._vision))
            projector = seen.setdefault(which[:2], Remembered(self._projector))
            with self.weights(which), vision.used(), projector.used():
                yield which, read(self._tuned, images, [ask], scheme=scheme)[0].logp


def swapped_answers(
    swap: Swap,
    subject: ModelSubject,
    table: pd.DataFrame,
    load: Load,
    question: str,
    labels: Sequence[str],
    scheme: Scheme = "prompt",
    batch: int = 32,
) -> pd.DataFrame:
    """Return what every combination chooses for every image, by the likelihood of the whole answer.

    Args:
        swap: the weights.
        subject: the tuned subject of ``swap``.
        table: the images' rows of the dataset.
        load: gives images by their ids.
        question: what is asked.
        labels: the labels, which are the answers.
        scheme: how the subject is asked.
        batch: most images at a time.

    Returns:
        One row an image and combination: image_id, content, label; ``vision``, ``projector`` and
        ``language``, each ``base`` or ``tuned``; ``changed``, the components that tuning changed, joined by
        ``+``; predicted, correct. Combinations that are the same, because
        tuning left a component as it was, are computed once and have a row each.
    """
    sizes = list(zip(table["height"], table["width"], strict=True))
    parts = []
    with swap.ready():
        for places in track(batches(range(len(table)), sizes, batch), "swapping components"):
            rows, size = table.iloc[places], sizes[places[0]]
            spelled = tuple(subject.answer_ids(question, label, size) for label in labels)
            ask = Ask(subject.prompt(question, size), spelled, write=False)
            shown = rows[["image_id", "content", "label"]]
            for which, logp in swap.logp(load(rows["image_id"].tolist()), ask, scheme):
                told = dict(zip(COMPONENTS, which, strict=True))
                parts.append(shown.assign(**told, predicted=[labels[i] for i in logp.argmax(1)]))
    return _with_twins(pd.concat(parts, ignore_index=True), swap.changed)


def shared_tensors(model: Any) -> dict[str, str]:
    """Return in words which tensors are one and the same, such as an output head that is the embedding.

    Args:
        model: a transformers image-text-to-text model.

    Returns:
        Component to words; a tensor is swapped once, with the component that holds its first name.
    """
    one, parts = tied(model), components(model)
    home = {name: part for part, found in parts.items() for name in found}
    alone = home.keys() - {names[0] for names in one}
    near = {_around(name): home[name] for name in alone}
    words: dict[str, list[str]] = {}
    for names in one:
        lie = {near.get(_around(name), home[names[0]]) for name in names}
        apart = f", in {' and '.join(sorted(lie))}" if len(lie) > 1 else ""
        words.setdefault(home[names[0]], []).append(" is ".join(names) + apart)
    return {part: "; ".join(told) for part, told in words.items()}


def _around(name: str) -> str:
    """Return the name of the module around the one that holds a parameter."""
    return name.rpartition(".")[0].rpartition(".")[0]


def _with_twins(table: pd.DataFrame, changed: Collection[str]) -> pd.DataFrame:
    """Repeat the rows of components that tuning left as they were, so that all combinations are there."""
    for part in COMPONENTS:
        if part not in changed:
            table = pd.concat([table, table.assign(**{part: TUNED})], ignore_index=True)
    return table.assign(changed="+".join(changed), correct=table["predicted"] == table["label"])


def _same(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> bool:
    """Say whether all tensors are the same, bit for bit."""
    import torch

    return all(torch.equal(mine.data, theirs.data) for mine, theirs in pairs)
