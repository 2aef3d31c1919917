"""The loss of an answer on visual tokens that are put into the prompt; see :mod:`eyechart.tune.tokens`."""

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
            **subject.modality(ids),
            attention_mask=real,
            position_ids=(real.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=longest + 1,
        ).logits[:, :-1]
    each = F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), reduction="none").view(rows, -1)
    return each.sum(1) / (target != -100).sum(1)
