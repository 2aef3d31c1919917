"""The ways to get the log-likelihood of every candidate, by hand with transformers and by Eyechart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exam_bench.material import Exam
from eyechart.subjects.model import Pixels

if TYPE_CHECKING:
    import torch

Scores = NDArray[np.float64]  # log-likelihoods, [wordings, images, labels]
Scheme = Callable[[Exam, Sequence[Pixels]], Scores]


def plain(exam: Exam, images: Sequence[Pixels]) -> Scores:
    """Run the model once for each image, wording and candidate, as the first script of a newcomer does."""
    import torch

    subject, setting = exam.subject, exam.setting
    found = np.zeros((len(setting.wordings), len(images), len(setting.labels)))
    with torch.no_grad(), subject.precision():
        for t, wording in enumerate(setting.wordings):
            before = len(exam.prompts[t].ids)
            for k, label in enumerate(setting.labels):
                answer = torch.tensor(exam.candidates[t][k], device=subject.device)
                for n, image in enumerate(images):
                    text = subject.conversation(wording, label)
                    inputs = subject.processor(text=text, images=[image], return_tensors="pt")
                    logits = subject.model(**inputs.to(subject.device)).logits[0]
                    steps = torch.log_softmax(logits[before - 1 : before - 1 + len(answer)].float(), -1)
                    found[t, n, k] = steps.gather(1, answer[:, None]).double().sum().item()
    return found


def prefill(exam: Exam, images: Sequence[Pixels], batch: int = 8) -> Scores:
    """Run the model once for each image and wording, and each candidate on the keys and values of that.

    Images go through in batches; a prompt's keys and values are repeated for the candidates. Candidates of
    one length go through together, so that nothing is padded, and without their last token, which foretells
    nothing. Of the prompt only the last predictions are computed.
    """
    import torch

    subject, setting = exam.subject, exam.setting
    found = np.zeros((len(setting.wordings), len(images), len(setting.labels)))
    with torch.no_grad(), subject.precision():
        for t, prompt in enumerate(exam.prompts):
            for start in range(0, len(images), batch):
                some = list(images[start : start + batch])
                inputs = subject.processor(text=[prompt.text] * len(some), images=some, return_tensors="pt")
                out = subject.model(**inputs.to(subject.device), use_cache=True, logits_to_keep=1)
                first = torch.log_softmax(out.logits[:, -1].float(), -1)
                scores = _on_memory(exam, out.past_key_values, first, exam.candidates[t])
                found[t, start : start + len(some)] = scores.double().cpu().numpy()
    return found


def _on_memory(
    exam: Exam, memory: Any, first: torch.Tensor, candidates: tuple[tuple[int, ...], ...]
) -> torch.Tensor:
    """Return the log-likelihood of every candidate after a remembered prompt, [images, candidates]."""
    import torch

    rows, device = len(first), first.device
    total = first[:, [candidate[0] for candidate in candidates]]
    lengths = [len(candidate) for candidate in candidates]
    for length in sorted(set(lengths) - {1}):
        own = [k for k, found in enumerate(lengths) if found == length]
        tokens = torch.tensor([candidates[k] for k in own], device=device).repeat(rows, 1)
        copies = deepcopy(memory)
        copies.batch_repeat_interleave(len(own))
        logits = exam.subject.model(input_ids=tokens[:, :-1], past_key_values=copies).logits.float()
        told = logits.gather(2, tokens[:, 1:, None])[..., 0] - logits.logsumexp(-1)
        total[:, own] += told.sum(1).view(rows, -1)
    return total


def eyechart(exam: Exam, images: Sequence[Pixels]) -> Scores:
    """Ask with Eyechart's engine, for scores alone."""
    return eyechart_texts(exam, images, 0)[0]


def texts_alone(exam: Exam, images: Sequence[Pixels], new_tokens: int) -> list[list[str]]:
    """Ask with Eyechart's engine for greedy texts and no scores, as lmms-eval does; [wordings][images]."""
    return _read(exam, images, new_tokens, [()] * len(exam.prompts))[1]


def eyechart_texts(exam: Exam, images: Sequence[Pixels], new_tokens: int) -> tuple[Scores, list[list[str]]]:
    """Ask with Eyechart's engine in batches of the exam's default size.

    Returns:
        The scores, and greedy texts [wordings][images] (empty where ``new_tokens`` is 0).
    """
    return _read(exam, images, new_tokens, exam.candidates)


def _read(
    exam: Exam, images: Sequence[Pixels], new_tokens: int, candidates: Sequence[tuple[tuple[int, ...], ...]]
) -> tuple[Scores, list[list[str]]]:
    from eyechart.exam.config import ExamConfig
    from eyechart.exam.engine import read
    from eyechart.exam.forest import Ask
    from eyechart.exam.readings import Decoding

    asks = [Ask(*asked) for asked in zip(exam.prompts, candidates, strict=True)]
    batch, decoding = ExamConfig().batch, Decoding(new_tokens)
    parts = [
        read(exam.subject, images[start : start + batch], asks, decoding)
        for start in range(0, len(images), batch)
    ]
    scores = [np.concatenate([part[t].logp for part in parts]) for t in range(len(asks))]
    texts = [[text for part in parts for text in part[t].texts] for t in range(len(asks))]
    return np.stack(scores), texts
