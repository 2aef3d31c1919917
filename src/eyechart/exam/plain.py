"""Ask one question at a time through the model's own ``generate``: slow, and right for every family.

The other ways of asking are measured against this one (:mod:`eyechart.exam.schemes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from eyechart.errors import EyechartError
from eyechart.exam.forest import Ask
from eyechart.exam.readings import Decoding, Readings, Seeds, choose_branch, draws, entropy, likelihoods

if TYPE_CHECKING:
    import torch

# From logits [n, vocabulary] and the step to one token for all, or tokens [n].
Choose = Callable[["torch.Tensor", int], "torch.Tensor | int"]


def read_plain(
    model: Any,
    inputs: Mapping[str, torch.Tensor],
    ask: Ask,
    ends: set[int],
    decoding: Decoding,
    seeds: Seeds = (),
) -> tuple[Readings, list[list[list[int]]]]:
    """Return what one question gave on a batch of images, and the tokens of its texts.

    Args:
        model: a transformers image-text-to-text model.
        inputs: what its processor made of the question's prompt with each image.
        ask: the question.
        ends: token ids that end an answer.
        decoding: how texts are written.
        seeds: of the samples, for this one question.

    Returns:
        Readings without texts, and token ids [image][1 + repeats].
    """

    def foretold() -> Iterator[list[torch.Tensor]]:
        for candidate in ask.candidates:
            yield _walk(model, inputs, len(candidate), _spelled(candidate), ends)[1]

    rows = len(inputs["input_ids"])
    logp, first = likelihoods(ask.candidates, foretold(), rows)
    last = _walk(model, inputs, 1, lambda logits, _: logits.argmax(-1), ends)[1][0]
    lengths = np.array([len(candidate) for candidate in ask.candidates])
    return Readings(logp, first, lengths, entropy(last), [], []), _texts(model, inputs, ends, decoding, seeds)


def _texts(
    model: Any, inputs: Mapping[str, torch.Tensor], ends: set[int], decoding: Decoding, seeds: Seeds
) -> list[list[list[int]]]:
    """Write the greedy text of each image, then its samples, by the rule of every way of asking."""
    import torch

    rows = len(inputs["input_ids"])
    uniform = torch.from_numpy(draws(seeds, 1, rows, decoding))[:, 0]
    written: list[list[list[int]]] = [[] for _ in range(rows)]
    for branch in range(decoding.branches):

        def choose(logits: torch.Tensor, step: int, branch: int = branch) -> torch.Tensor:
            return choose_branch(logits, branch, uniform, step, decoding.temperature)

        tokens = _walk(model, inputs, decoding.new_tokens, choose, ends)[0]
        for row, text in enumerate(tokens):
            stop = next((i for i, token in enumerate(text) if token in ends), len(text))
            written[row].append(text[:stop])
    return written


def _walk(
    model: Any, inputs: Mapping[str, torch.Tensor], steps: int, choose: Choose, ends: set[int]
) -> tuple[list[list[int]], list[torch.Tensor]]:
    """Let the model write ``steps`` tokens of our choice; returns them, and its logits at each step."""
    from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList

    chooser = _Chooser(choose)
    padding = model.generation_config.pad_token_id
    config = GenerationConfig(
        max_new_tokens=steps,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=sorted(ends),
        pad_token_id=min(ends) if padding is None else padding,
    )
    asked = {**inputs, "generation_config": config, "logits_processor": LogitsProcessorList([chooser])}
    model.generate(**asked)
    if not chooser.logits:  # Janus' own method leaves out what it does not know
        GenerationMixin.generate(model, **asked)
    if not chooser.logits:
        raise EyechartError(f"{type(model).__name__} cannot be asked for likelihoods", "ask it for text only")
    tokens = [list(row) for row in zip(*(c.tolist() for c in chooser.chosen), strict=True)]
    return tokens, chooser.logits


def _spelled(answer: tuple[int, ...]) -> Choose:
    """Return the choice that spells an answer."""
    return lambda _, step: answer[step]


class _Chooser:
    """A logits processor that allows the chosen token alone, and keeps the model's own logits."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self.logits: list[torch.Tensor] = []
        self.chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import torch

        picked = torch.as_tensor(self._choose(scores, len(self.logits)), device=scores.device)
        picked = picked.expand(len(scores))
        self.logits.append(scores.clone())
        self.chosen.append(picked)
        return torch.full_like(scores, -torch.inf).scatter(1, picked[:, None], 0.0)
