"""Ask one question on a batch of images, one token after the other, from one run over its prompt.

For models whose layers carry a state from token to token (Qwen3.5's linear attention, LFM2's convolutions)
and can neither branch nor go back: the state after the prompt is copied for each answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from eyechart.exam.forest import Ask
from eyechart.exam.readings import Decoding, Readings, Seeds, choose_branch, draws, entropy, likelihoods
from eyechart.subjects.reading import Reader

if TYPE_CHECKING:
    import torch


def read_stepwise(
    model: Any,
    inputs: Mapping[str, torch.Tensor],
    ask: Ask,
    ends: set[int],
    decoding: Decoding,
    seeds: Seeds = (),
) -> tuple[Readings, list[list[list[int]]]]:
    """Return what one question gave; arguments and result as :func:`eyechart.exam.plain.read_plain`."""
    import torch

    reader = Reader(model, inputs, len(ask.prompt.ids))
    logp, first = likelihoods(ask.candidates, (_spell(reader, c) for c in ask.candidates), reader.rows)
    lengths = np.array([len(candidate) for candidate in ask.candidates])
    uniform = torch.from_numpy(draws(seeds, 1, reader.rows, decoding))[:, 0]
    branches = [_text(reader.copy(), i, uniform, ends, decoding) for i in range(decoding.branches)]
    texts = [list(texts) for texts in zip(*branches, strict=True)] or [[] for _ in range(reader.rows)]
    return Readings(logp, first, lengths, entropy(reader.last), [], []), texts


def _spell(reader: Reader, answer: tuple[int, ...]) -> list[torch.Tensor]:
    """Return the logits before each token of an answer."""
    branch, logits = reader.copy(), [reader.last]
    for step, token in enumerate(answer[:-1]):
        logits.append(_one(branch, token, step))
    return logits


def _text(
    reader: Reader, branch: int, uniform: torch.Tensor, ends: set[int], decoding: Decoding
) -> list[list[int]]:
    """Write one text of every image, greedy (branch 0) or sampled; returns token ids without the end."""
    import torch

    stop = torch.tensor(sorted(ends), device=reader.last.device)
    written: list[list[int]] = [[] for _ in range(reader.rows)]
    done, logits = torch.zeros(reader.rows, dtype=torch.bool, device=stop.device), reader.last
    for step in range(decoding.new_tokens):
        chosen = choose_branch(logits, branch, uniform, step, decoding.temperature)
        done = done | torch.isin(chosen, stop)
        for row in torch.nonzero(~done)[:, 0].tolist():
            written[row].append(int(chosen[row]))
        if bool(done.all()):
            break
        if step + 1 < decoding.new_tokens:
            logits = _one(reader, chosen[:, None], step)
    return written


def _one(reader: Reader, token: int | torch.Tensor, step: int) -> torch.Tensor:
    """Read one more token; returns the logits after it, [n, vocabulary]."""
    tokens = [token] if isinstance(token, int) else token
    return reader.read(tokens, [step], np.ones((1, step + 1), bool))[:, 0]
