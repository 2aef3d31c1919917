"""The alignment constraint: the visual tokens of an image lie near the word of its label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject

if TYPE_CHECKING:
    import torch

    from eyechart.tune.constraints import Tokens

DRIFT = 0.3  # weight of the penalty on the tokens' length
OTHERS = 1000  # random words of the vocabulary among the negatives


class Alignment:
    """InfoNCE between the projected tokens of an image and the label words' embeddings (METHODS).

    Visual tokens and label words, both relative to the mean of the vocabulary, are compared by cosine,
    averaged over the tokens of an image; the temperature is learned. Random words of the vocabulary stand
    among the negatives, and a penalty keeps the tokens as long as embeddings of words are on average: nearer
    to the right label than to the other labels is not yet a place where the language model reads the word.
    """

    name = "alignment"

    def __init__(self, subject: ModelSubject, labels: Sequence[str]) -> None:
        import torch
        import torch.nn.functional as F

        vocabulary = subject.model.get_input_embeddings().weight.detach().float()
        self.centre, self.length = vocabulary.mean(0), vocabulary.norm(dim=-1).mean()
        words = torch.stack([subject.word_embedding(label) for label in labels])
        self.words = F.normalize(words - self.centre, dim=-1)
        drawn = rng(0, "negatives").choice(len(vocabulary), min(OTHERS, len(vocabulary)), replace=False)
        self.others = F.normalize(vocabulary[drawn] - self.centre, dim=-1)
        self.log_scale = torch.nn.Parameter(torch.tensor([10.0], device=words.device).log())

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return the logarithm of the inverse temperature, [1]."""
        return [self.log_scale]

    def logits(self, tokens: Tokens) -> torch.Tensor:
        """Return the scaled mean cosine of each image's tokens with each label, then each other word."""
        import torch
        import torch.nn.functional as F

        if isinstance(tokens, torch.Tensor):
            pooled = F.normalize(tokens.float() - self.centre, dim=-1).mean(1)
        else:
            pooled = torch.stack([F.normalize(t.float() - self.centre, dim=-1).mean(0) for t in tokens])
        return self.log_scale.exp().clamp(max=100) * pooled @ torch.cat([self.words, self.others]).T

    def loss(self, tokens: Tokens, targets: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor:
        """Return the mean loss of a batch; see :class:`Constraint`."""
        import torch
        import torch.nn.functional as F

        every = tokens if isinstance(tokens, torch.Tensor) else torch.cat(list(tokens))
        drift = (every.float().norm(dim=-1) / self.length - 1).square().mean()
        loss: torch.Tensor = F.cross_entropy(self.logits(tokens), targets) + DRIFT * drift
        return loss
