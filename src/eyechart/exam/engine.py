"""Ask a model one question on many images: candidates and greedy text share one run over the prompt.

For each image the language model runs over the prompt once and keeps its keys and values. The candidates are
then scored in one further pass as a tree: every candidate continues the prompt and sees itself alone. Greedy
text continues from the same keys and values. All prompts of a batch have one length, so nothing is padded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Prompt

if TYPE_CHECKING:
    import torch

Candidates = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Readings:
    """What n images and K candidates gave.

    Attributes:
        logp: log-likelihood of each full candidate with its end, float64 [n, K].
        first: log-likelihood of each candidate's first token, float64 [n, K].
        lengths: tokens of each candidate with its end, int [K].
        texts: greedy text of each image, without its end token (empty strings if none was asked for).
    """

    logp: NDArray[np.float64]
    first: NDArray[np.float64]
    lengths: NDArray[np.int64]
    texts: list[str]


def ask(
    subject: ModelSubject,
    tokens: torch.Tensor,
    prompt: Prompt,
    candidates: Candidates,
    *,
    new_tokens: int = 8,
    batch: int = 32,
    what: str = "asking",
) -> Readings:
    """Score candidates and generate greedy text for every image.

    Args:
        subject: the model.
        tokens: projected visual tokens, [n, tokens, width].
        prompt: the rendered question.
        candidates: token ids of each candidate, the end token included.
        new_tokens: longest generated text in tokens; 0 generates none.
        batch: images at a time.
        what: what the progress bar says.
    """
    import torch

    logp, first, texts = [], [], []
    with torch.no_grad(), subject.precision():
        for start in track(range(0, len(tokens), batch), what):
            embedded = subject.embed(prompt, tokens[start : start + batch])
            told = subject.modality(torch.tensor(prompt.ids).expand(len(embedded), -1))
            out = subject.model(inputs_embeds=embedded, **told, use_cache=True, logits_to_keep=1)
            last, memory = out.logits[:, -1], out.past_key_values
            first_logp = torch.log_softmax(last.float(), -1)
            scores = _tree(subject, memory, embedded.shape[1], first_logp, candidates)
            logp.append(scores.double().cpu().numpy())
            heads = [c[0] for c in candidates]
            first.append(first_logp[:, heads].double().cpu().numpy())
            if extra := memory.get_seq_length() - embedded.shape[1]:
                memory.crop(-extra)  # forget the candidates; a negative number means this in every version
            texts += _greedy(subject, memory, last, embedded.shape[1], new_tokens)
    lengths = np.array([len(c) for c in candidates])
    return Readings(np.concatenate(logp), np.concatenate(first), lengths, texts)


def _tree(
    subject: ModelSubject, memory: Any, length: int, first_logp: torch.Tensor, candidates: Candidates
) -> torch.Tensor:
    """Return the log-likelihood of every candidate after the remembered prompt, [batch, K]."""
    import torch

    total = first_logp[:, [c[0] for c in candidates]]
    owners = [k for k, c in enumerate(candidates) for _ in c[:-1]]
    if not owners:  # every candidate is one token
        return total
    device, dtype = first_logp.device, subject.model.dtype
    inputs = torch.tensor([t for c in candidates for t in c[:-1]], device=device)
    follow = torch.tensor([t for c in candidates for t in c[1:]], device=device)
    depth = torch.tensor([j for c in candidates for j in range(len(c) - 1)], device=device)
    owner = torch.tensor(owners, device=device)
    sees = (owner[:, None] == owner[None, :]) & (depth[:, None] >= depth[None, :])
    mask = torch.zeros(len(owners), length + len(owners), dtype=dtype, device=device)
    mask[:, length:].masked_fill_(~sees, torch.finfo(dtype).min)
    rows = len(first_logp)
    out = subject.model(
        inputs_embeds=subject.model.get_input_embeddings()(inputs).expand(rows, -1, -1),
        attention_mask=mask.expand(rows, 1, -1, -1),
        position_ids=(length + depth).expand(rows, -1),
        past_key_values=memory,
        use_cache=True,
    )
    steps = torch.log_softmax(out.logits.float(), -1)
    each = steps.gather(2, follow.expand(rows, -1)[..., None])[..., 0]
    return total.index_add(1, owner, each)


def _greedy(
    subject: ModelSubject, memory: Any, last: torch.Tensor, length: int, new_tokens: int
) -> list[str]:
    """Continue the remembered prompt greedily; returns one text an image."""
    import torch

    rows, ends = len(last), torch.tensor(sorted(subject.end_ids), device=last.device)
    done = torch.zeros(rows, dtype=torch.bool, device=last.device)
    written: list[list[int]] = [[] for _ in range(rows)]
    for step in range(new_tokens):
        chosen = last.argmax(-1)
        done = done | torch.isin(chosen, ends)
        for row in torch.nonzero(~done)[:, 0].tolist():
            written[row].append(int(chosen[row]))
        if bool(done.all()) or step == new_tokens - 1:
            break
        out = subject.model(
            inputs_embeds=subject.model.get_input_embeddings()(chosen)[:, None],
            position_ids=torch.full((rows, 1), length + step, device=last.device),
            past_key_values=memory,
            use_cache=True,
            logits_to_keep=1,
        )
        last, memory = out.logits[:, -1], out.past_key_values
    texts: list[str] = subject.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    return texts
