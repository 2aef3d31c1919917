"""What tuning minimises: the language-model loss of the answer, and the alignment constraint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject, Prompt

if TYPE_CHECKING:
    import torch


def answer_losses(
    subject: ModelSubject,
    tokens: torch.Tensor,
    prompts: Sequence[Prompt],
    answers: Sequence[tuple[int, ...]],
) -> torch.Tensor:
    """Return the mean negative log-likelihood of each answer's tokens, its end included.

    Rows are padded on the left, so that all answers end at the last position and the vocabulary is scored at
    the few last positions alone.

    Args:
        subject: the model.
        tokens: projected visual tokens of each row, [n, tokens, width], with gradient where it is wanted.
        prompts: the rendered question of each row.
        answers: the answer's token ids of each row, the end token included.

    Returns:
        Tensor [n] in float32.
    """
    import torch
    import torch.nn.functional as F

    device, rows = tokens.device, len(prompts)
    whole = [list(p.ids) + list(a) for p, a in zip(prompts, answers, strict=True)]
    length, longest = max(map(len, whole)), max(map(len, answers))
    padding = subject.processor.tokenizer.pad_token_id
    ids = torch.tensor([[padding] * (length - len(w)) + w for w in whole], device=device)
    real = torch.tensor([[0] * (length - len(w)) + [1] * len(w) for w in whole], device=device)
    target = torch.full((rows, longest), -100, device=device)
    for row, answer in enumerate(answers):
        target[row, longest - len(answer) :] = torch.tensor(answer, device=device)
    table = subject.model.get_input_embeddings()
    with subject.precision():
        embedded = table(ids)
        image = (ids == subject.model.config.image_token_id)[..., None]
        embedded = embedded.masked_scatter(image, tokens.to(embedded.dtype))
        logits = subject.model(
            inputs_embeds=embedded,
            **subject.modality(ids),
            attention_mask=real,
            position_ids=(real.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=longest + 1,
        ).logits[:, :-1]
    each = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none").view(rows, -1)
    return each.sum(1) / (target != -100).sum(1)


DRIFT = 0.3  # weight of the penalty on the tokens' length
OTHERS = 1000  # random words of the vocabulary among the negatives


class Alignment:
    """InfoNCE between the projected tokens of an image and the label words' embeddings (METHODS).

    Visual tokens and label words, both relative to the mean of the vocabulary, are compared by cosine,
    averaged over the tokens of an image; the temperature is learned. Random words of the vocabulary stand
    among the negatives, and a penalty keeps the tokens as long as embeddings of words are on average: nearer
    to the right label than to the other labels is not yet a place where the language model reads the word.
    """

    def __init__(self, subject: ModelSubject, labels: Sequence[str]) -> None:
        import torch
        import torch.nn.functional as F

        vocabulary = subject.model.get_input_embeddings().weight.detach().float()
        self.centre, self.length = vocabulary.mean(0), vocabulary.norm(dim=-1).mean()
        words = torch.stack([subject.word_embedding(label) for label in labels])
        self.words = F.normalize(words - self.centre, dim=-1)
        drawn = rng(0, "negatives").choice(len(vocabulary), min(OTHERS, len(vocabulary)), replace=False)
        self.others = F.normalize(vocabulary[drawn] - self.centre, dim=-1)
        self.log_scale = torch.nn.Parameter(torch.tensor(10.0, device=words.device).log())

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the scaled mean cosine of each image's tokens with each label, then each other word."""
        import torch
        import torch.nn.functional as F

        pooled = F.normalize(tokens.float() - self.centre, dim=-1).mean(1)
        return self.log_scale.exp().clamp(max=100) * pooled @ torch.cat([self.words, self.others]).T

    def loss(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch.

        Args:
            tokens: [n, tokens, width].
            targets: index of each image's label, int64 [n].
        """
        import torch.nn.functional as F

        drift = (tokens.float().norm(dim=-1) / self.length - 1).square().mean()
        loss: torch.Tensor = F.cross_entropy(self.logits(tokens), targets) + DRIFT * drift
        return loss
