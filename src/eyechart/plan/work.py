"""What an exam computes for one image: the passes through the language model, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eyechart.exam.engine import Scheme
from eyechart.exam.forest import Ask, grow, shared_length
from eyechart.plan.flops import Language


class Pass(NamedTuple):
    """Tokens that pass the language model together.

    Attributes:
        tokens: how many.
        seen: how many tokens each is held against, those of the pass included.
        predictions: how many are read over the vocabulary.
    """

    tokens: int
    seen: int
    predictions: int

    def operations(self, language: Language) -> tuple[float, float]:
        """Return the operations of the layers, and of the predictions."""
        return language.passing(self.tokens, self.seen), self.predictions * language.head


@dataclass(frozen=True)
class Work:
    """What one image takes.

    Attributes:
        beginning: what comes first: images and the words that all prompts begin with, or whole prompts.
        rest: questions and answers after it.
        texts: tokens that are written.
        views: how often the vision encoder sees the image.
    """

    beginning: tuple[Pass, ...]
    rest: tuple[Pass, ...]
    texts: tuple[Pass, ...]
    views: int


def work_of(asks: Sequence[Ask], scheme: Scheme, new_tokens: int, branches: int) -> Work:
    """Return the passes of one image (see :mod:`eyechart.exam.engine` for the schemes).

    Texts count in full length: how early they end is not known before.
    """
    steps = new_tokens if branches else 0
    if scheme == "shared":
        start = shared_length(asks)
        if all(place < start for ask in asks for place in ask.prompt.image_positions):
            return _forest(asks, start, steps, branches)
        scheme = "prompt"
    each = {"prompt": _alone, "stepwise": _stepwise, "plain": _plain}[scheme]
    parts = [each(ask, steps, branches) for ask in asks]
    return Work(
        tuple(p for part in parts for p in part.beginning),
        tuple(p for part in parts for p in part.rest),
        tuple(p for part in parts for p in part.texts),
        sum(part.views for part in parts),
    )


def _forest(asks: Sequence[Ask], start: int, steps: int, branches: int) -> Work:
    forest = grow(asks, start)
    further, width = len(forest.tokens), branches * sum(ask.write for ask in asks)
    rest = (Pass(further, start + further, len(forest.read_from())),) if further else ()
    # The first token is foretold by the question's end; the last one is not read from.
    texts = [Pass(width, start + further + width * step, width) for step in range(1, steps)] if width else []
    return Work((Pass(start, start, 1),), rest, tuple(texts), 1)


def _alone(ask: Ask, steps: int, branches: int) -> Work:
    return _forest([ask], len(ask.prompt.ids), steps, branches)


def _stepwise(ask: Ask, steps: int, branches: int) -> Work:
    """Each answer token is a pass by itself."""
    start = len(ask.prompt.ids)
    rest = [Pass(1, start + i, 1) for answer in ask.candidates for i in range(1, len(answer))]
    texts = [Pass(1, start + i, 1) for i in range(1, steps)] * (branches if ask.write else 0)
    return Work((Pass(start, start, 1),), tuple(rest), tuple(texts), 1)


def _plain(ask: Ask, steps: int, branches: int) -> Work:
    """Each answer and each text begins with the prompt; once more for the first token's entropy."""
    alone = _stepwise(ask, steps, branches)
    times = 1 + len(ask.candidates) + (branches if ask.write and steps else 0)
    return Work(alone.beginning * times, alone.rest, alone.texts, times)
