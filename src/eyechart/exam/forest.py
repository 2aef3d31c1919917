"""All that may follow a shared beginning, as one forest of tokens: every token knows the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyechart.subjects.model import Prompt

ROOT = -1  # the last token of the shared beginning


@dataclass(frozen=True)
class Ask:
    """A rendered question with the answers whose likelihood is wanted.

    Attributes:
        prompt: the question as the model receives it.
        candidates: token ids of each answer, the end token included; there may be none.
        write: whether texts are written, too.
    """

    prompt: Prompt
    candidates: tuple[tuple[int, ...], ...]
    write: bool = True


@dataclass(frozen=True)
class Forest:
    """The tokens after the shared beginning. Tokens are named by their place in ``tokens``.

    Attributes:
        start: length of the shared beginning.
        tokens: token ids; what several questions or answers share stands here once.
        parents: the token before each, or ``ROOT``.
        ends: of each question, its prompt's last token.
        paths: of each question and answer, the token from which each of the answer's tokens is foretold.
    """

    start: int
    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    ends: tuple[int, ...]
    paths: tuple[tuple[tuple[int, ...], ...], ...]

    def depths(self) -> list[int]:
        """Return how many tokens of the forest stand before each."""
        found: list[int] = []
        for parent in self.parents:
            found.append(0 if parent == ROOT else found[parent] + 1)
        return found

    def sees(self) -> NDArray[np.bool_]:
        """Return [tokens, tokens]: whether the row's token is the column's or comes after it."""
        count = len(self.tokens)
        found = np.eye(count, dtype=bool)
        for token, parent in enumerate(self.parents):
            if parent != ROOT:
                found[token] |= found[parent]
        return found

    def read_from(self) -> list[int]:
        """Return the tokens at which the model's prediction is wanted, in order, without ``ROOT``."""
        paths = {token for ask in self.paths for path in ask for token in path}
        return sorted((paths | set(self.ends)) - {ROOT})


def shared_length(asks: Sequence[Ask]) -> int:
    """Return how many tokens all prompts begin with in common."""
    first, *others = (ask.prompt.ids for ask in asks)
    differ = (
        i for i, tokens in enumerate(zip(first, *others, strict=False)) if any(t != tokens[0] for t in tokens)
    )
    return next(differ, min(map(len, (first, *others))))


def grow(asks: Sequence[Ask], start: int) -> Forest:
    """Return the forest of all prompts and answers from their token ``start`` on.

    Raises:
        ValueError: the prompts do not share their first ``start`` tokens.
    """
    if shared_length(asks) < start:
        raise ValueError(f"the prompts share fewer than {start} tokens")
    places: dict[tuple[int, int], int] = {}

    def follow(token: int, parent: int) -> int:
        return places.setdefault((parent, token), len(places))

    ends, paths = [], []
    for ask in asks:
        at = ROOT
        for token in ask.prompt.ids[start:]:
            at = follow(token, at)
        ends.append(at)
        paths.append(tuple(_path(candidate, at, follow) for candidate in ask.candidates))
    parents, tokens = zip(*places, strict=True) if places else ((), ())
    return Forest(start, tokens, parents, tuple(ends), tuple(paths))


def _path(candidate: tuple[int, ...], at: int, follow: Callable[[int, int], int]) -> tuple[int, ...]:
    """Return the tokens that foretell a candidate's; its last token foretells nothing and is left out."""
    path = [at]
    for token in candidate[:-1]:
        path.append(follow(token, path[-1]))
    return tuple(path)
