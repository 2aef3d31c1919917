"""Ask many questions on a batch of images at once: images and shared words pass through the model once.

The beginning that all prompts share (the image, mostly) is computed once; keys and values are kept. All that
follows, questions and answers, is then one forest of tokens in one further pass, in which every token sees
the beginning and those before it in its own tree. Texts are written from the same keys and values, one branch
for each question and repeat, all branches of a batch together. Nothing is copied, repeated or padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eyechart.exam.forest import ROOT, Ask, Forest, grow
from eyechart.exam.readings import Decoding, Readings, Seeds, choose_tokens, draws, entropy
from eyechart.subjects.reading import Reader

if TYPE_CHECKING:
    import torch


def read_shared(
    reader: Reader, asks: Sequence[Ask], ends: set[int], decoding: Decoding, seeds: Seeds = ()
) -> list[tuple[Readings, list[list[list[int]]]]]:
    """Return what each question gave, and the tokens of its texts.

    Args:
        reader: has read the beginning that all prompts share, images included.
        asks: questions.
        ends: token ids that end an answer.
        decoding: how texts are written.
        seeds: of the samples.

    Returns:
        For each question: readings without texts, and token ids [image][1 + repeats].
    """
    forest = grow(asks, reader.start)
    foretold = _Foretold(reader, forest)
    readings = [_scores(foretold, forest, ask, i) for i, ask in enumerate(asks)]
    writing = [i for i, ask in enumerate(asks) if ask.write and decoding.branches]
    texts: list[list[list[list[int]]]] = [[[] for _ in range(reader.rows)] for _ in asks]
    if writing:
        roots, own = [forest.ends[i] for i in writing], [seeds[i] for i in writing if decoding.repeats]
        for i, written in zip(
            writing, _write(reader, forest, foretold, roots, ends, decoding, own), strict=True
        ):
            texts[i] = written
    return list(zip(readings, texts, strict=True))


class _Foretold:
    """The model's predictions wherever the forest is read from."""

    def __init__(self, reader: Reader, forest: Forest) -> None:
        self.places = {token: i for i, token in enumerate(forest.read_from())}
        self.beginning = reader.last
        self.logits: Any = None
        if forest.tokens:
            self.logits = reader.read(forest.tokens, forest.depths(), forest.sees(), keep=forest.read_from())

    def at(self, token: int) -> torch.Tensor:
        """Return the logits after a token of the forest, or after the beginning, [n, vocabulary]."""
        found: torch.Tensor = self.beginning if token == ROOT else self.logits[:, self.places[token]]
        return found


def _scores(foretold: _Foretold, forest: Forest, ask: Ask, index: int) -> Readings:
    """Sum the log-likelihoods along each answer's path."""
    import torch

    last = foretold.at(forest.ends[index])
    known: dict[int, torch.Tensor] = {}  # log of the normalising sum at each token
    logp = torch.zeros(len(last), len(ask.candidates), dtype=torch.float64, device=last.device)
    first = torch.zeros_like(logp)
    for k, (candidate, path) in enumerate(zip(ask.candidates, forest.paths[index], strict=True)):
        for step, (token, place) in enumerate(zip(candidate, path, strict=True)):
            at = foretold.at(place)
            if place not in known:
                known[place] = torch.logsumexp(at.float(), -1)
            told = (at[:, token].float() - known[place]).double()
            logp[:, k] += told
            if step == 0:
                first[:, k] = told
    lengths = np.array([len(candidate) for candidate in ask.candidates])
    return Readings(logp.cpu().numpy(), first.cpu().numpy(), lengths, entropy(last), [], [])


def _write(
    reader: Reader,
    forest: Forest,
    foretold: _Foretold,
    roots: Sequence[int],
    ends: set[int],
    decoding: Decoding,
    seeds: Seeds,
) -> list[list[list[list[int]]]]:
    """Write every text that follows ``roots``, of all images together; returns token ids without the end."""
    import torch

    rows, branches, asks = reader.rows, decoding.branches, len(roots)
    written: list[list[list[list[int]]]] = [
        [[[] for _ in range(branches)] for _ in range(rows)] for _ in range(asks)
    ]
    uniform = torch.from_numpy(draws(seeds, asks, rows, decoding))
    last = torch.stack([foretold.at(end) for end in roots], 1)  # [n, asks, vocabulary]
    logits = last[:, :, None].expand(-1, -1, branches, -1)
    stop = torch.tensor(sorted(ends), device=last.device)
    done = torch.zeros(rows, asks, branches, dtype=torch.bool, device=last.device)
    # What each text sees: the tokens up to its question's end, and (below) its own.
    nothing = np.zeros((1, len(forest.tokens)), bool)
    before = np.concatenate([nothing if e == ROOT else forest.sees()[[e]] for e in roots])
    sees = np.repeat(before, branches, 0)
    depths = forest.depths()
    after = np.repeat([0 if end == ROOT else depths[end] + 1 for end in roots], branches)
    for step in range(decoding.new_tokens):
        chosen = choose_tokens(logits, uniform[..., step], decoding.temperature)
        done = done | torch.isin(chosen, stop)
        for row, ask, branch in torch.nonzero(~done).tolist():
            written[ask][row][branch].append(int(chosen[row, ask, branch]))
        if bool(done.all()) or step == decoding.new_tokens - 1:
            break
        sees = np.concatenate([sees, np.eye(len(sees), dtype=bool)], 1)
        logits = reader.read(chosen.flatten(1), after + step, sees).view(rows, asks, branches, -1)
    return written
