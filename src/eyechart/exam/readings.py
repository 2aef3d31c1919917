"""What a question gave on a batch of images, and how the next token of a text is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

# One seed for each question, image and repeat.
Seeds = Sequence[Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Readings:
    """What one question with K answers gave on n images.

    Attributes:
        logp: log-likelihood of each full answer with its end, float64 [n, K].
        first: log-likelihood of each answer's first token, float64 [n, K].
        lengths: tokens of each answer with its end, int64 [K].
        entropy: of the first token's distribution at temperature 1, in nats, float64 [n].
        texts: greedy text of each image, without its end token (empty strings if none was asked for).
        samples: sampled texts of each image, [n][repeats].
    """

    logp: NDArray[np.float64]
    first: NDArray[np.float64]
    lengths: NDArray[np.int64]
    entropy: NDArray[np.float64]
    texts: list[str]
    samples: list[list[str]]


@dataclass(frozen=True)
class Decoding:
    """How texts are written.

    Attributes:
        new_tokens: longest text in tokens; 0 writes none.
        repeats: sampled texts beside the greedy one.
        temperature: of the samples.
    """

    new_tokens: int = 0
    repeats: int = 0
    temperature: float = 0.7

    @property
    def branches(self) -> int:
        """Return how many texts are written for each image and question."""
        return 1 + self.repeats if self.new_tokens else 0


def draws(seeds: Seeds, asks: int, rows: int, decoding: Decoding) -> NDArray[np.float64]:
    """Return the uniform numbers that sampling uses, [rows, asks, repeats, new tokens].

    Each text has a generator of its own, so that it depends on no other text and on no batch.
    """
    found = np.zeros((rows, asks, decoding.repeats, decoding.new_tokens))
    for ask in range(asks if decoding.repeats else 0):
        for row in range(rows):
            for repeat in range(decoding.repeats):
                own = np.random.default_rng(seeds[ask][row][repeat])
                found[row, ask, repeat] = own.random(decoding.new_tokens)
    return found


def choose_tokens(logits: torch.Tensor, uniform: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the next token of each text: the likeliest, or one drawn by inverting the cumulative sum.

    Args:
        logits: [..., 1 + repeats, vocabulary]; the first is greedy, the others are sampled.
        uniform: numbers in [0, 1), float64 [..., repeats].
        temperature: of the samples.

    Returns:
        int64 [..., 1 + repeats].
    """
    import torch

    greedy = logits[..., :1, :].argmax(-1)
    if not uniform.shape[-1]:
        return greedy
    rising = torch.softmax(logits[..., 1:, :].double() / temperature, -1).cumsum(-1)
    below = uniform.to(rising.device)[..., None] * rising[..., -1:]
    drawn = torch.searchsorted(rising, below, right=True)[..., 0].clamp(max=logits.shape[-1] - 1)
    return torch.cat([greedy, drawn], -1)


def choose_branch(
    logits: torch.Tensor, branch: int, uniform: torch.Tensor, step: int, temperature: float
) -> torch.Tensor:
    """Return the next token of one text of each image, by the rule of :func:`choose_tokens`.

    Args:
        logits: [n, vocabulary].
        branch: 0 is the greedy text, k the k-th sample.
        uniform: [n, repeats, new tokens].
        step: how many tokens are written.
        temperature: of the samples.
    """
    if branch == 0:
        return logits.argmax(-1)
    both = logits[:, None].expand(-1, 2, -1)
    return choose_tokens(both, uniform[:, branch - 1 : branch, step], temperature)[:, 1]


def likelihoods(
    candidates: Sequence[tuple[int, ...]], foretold: Iterable[Sequence[torch.Tensor]], rows: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log-likelihood of each full answer, and of its first token, [n, K].

    Args:
        candidates: token ids of each answer.
        foretold: for each answer the logits before each of its tokens, [n, vocabulary].
        rows: n.
    """
    import torch

    logp, first = np.zeros((2, rows, len(candidates)))
    for k, (answer, steps) in enumerate(zip(candidates, foretold, strict=True)):
        told = [torch.log_softmax(s.float(), -1)[:, t] for s, t in zip(steps, answer, strict=True)]
        each = torch.stack(told).double().cpu().numpy()
        logp[:, k], first[:, k] = each.sum(0), each[0]
    return logp, first


def entropy(logits: torch.Tensor) -> NDArray[np.float64]:
    """Return the entropy of distributions over the vocabulary, in nats: [..., vocabulary] to [...]."""
    import torch

    logp = torch.log_softmax(logits.double(), -1)
    found: NDArray[np.float64] = -(logp.exp() * logp.clamp(min=-1e4)).sum(-1).cpu().numpy()
    return found
