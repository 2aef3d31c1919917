"""What tuning minimises: the language-model loss of the answer, and the alignment constraint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
            attention_mask=real,
            position_ids=(real.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=longest + 1,
        ).logits[:, :-1]
    each = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none").view(rows, -1)
    return each.sum(1) / (target != -100).sum(1)


class Alignment:
    """InfoNCE between the pooled projected tokens of an image and the label words' embeddings (METHODS).

    The mean visual token and the label words, both relative to the mean of the vocabulary, are compared by
    cosine; the temperature is learned.
    """

    def __init__(self, subject: ModelSubject, labels: Sequence[str]) -> None:
        import torch
        import torch.nn.functional as F

        self.centre = subject.model.get_input_embeddings().weight.detach().float().mean(0)
        words = torch.stack([subject.word_embedding(label) for label in labels])
        self.words = F.normalize(words - self.centre, dim=-1)
        self.log_scale = torch.nn.Parameter(torch.tensor(10.0, device=words.device).log())

    def logits(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the scaled cosine of each image with each label word, [n, K]."""
        import torch.nn.functional as F

        pooled = F.normalize(tokens.float().mean(1) - self.centre, dim=-1)
        return self.log_scale.exp().clamp(max=100) * pooled @ self.words.T

    def loss(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch.

        Args:
            tokens: [n, tokens, width].
            targets: index of each image's label, int64 [n].
        """
        import torch.nn.functional as F

        return F.cross_entropy(self.logits(tokens), targets)
