"""What tuning minimises, as one module: from rows of a lesson to the loss of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from eyechart.subjects.model import ModelSubject
from eyechart.tune.constraints import Constraint
from eyechart.tune.lesson import Lesson
from eyechart.tune.loss import answer_losses
from eyechart.tune.whole import answered, visual

if TYPE_CHECKING:
    from eyechart.tune.constraints import Tokens as Visual
    from eyechart.tune.tokens import Tokens

LEARNED = "learned"  # before the names of what constraints learn themselves


class Task(nn.Module):
    """The loss of a batch: the answer's, and the constraints' by their weights.

    Every image counts alike: the answer's loss is the mean over its tokens, then over the images.

    Args:
        subject: the model.
        lesson: images, labels and questions.
        constraints: constraints on the visual tokens.
        weights: their weights.
        answer: whether the answer's loss counts; else the language model is not run.
        tokens: where the visual tokens come from; None takes the model's own forward pass.
    """

    def __init__(
        self,
        subject: ModelSubject,
        lesson: Lesson,
        constraints: Mapping[str, Constraint],
        weights: Mapping[str, float],
        *,
        answer: bool,
        tokens: Tokens | None,
    ) -> None:
        super().__init__()
        self.model = subject.model
        if hasattr(subject.model, "hf_device_map"):  # so that nobody moves the parts of one on several GPUs
            self.hf_device_map = subject.model.hf_device_map
        self.learned = nn.ParameterList(p for one in constraints.values() for p in one.parameters())
        self._subject, self._lesson, self._tokens = subject, lesson, tokens
        self._constraints, self._weights, self._answer = dict(constraints), dict(weights), answer

    def forward(self, rows: torch.Tensor, wordings: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return ``loss``, and its parts ``lm`` and each constraint's, without gradient; NaN where absent.

        Args:
            rows: which images of the lesson, int64 [n].
            wordings: which question each is asked, int64 [n].
        """
        shown, asked = rows.cpu().numpy(), wordings.cpu().numpy()
        tokens, each = self._visual(shown) if self._tokens is not None else self._own(shown, asked)
        targets = torch.from_numpy(self._lesson.targets[shown]).to(rows.device)
        parts: dict[str, Any] = {}
        for name, constraint in self._constraints.items():
            found = constraint.loss(tokens, targets, shown)
            if found is not None:
                parts[name] = found
        if self._answer:
            parts["lm"] = (self._in_prompts(tokens, shown, asked) if each is None else each).mean()
        loss = rows.new_zeros((), dtype=torch.float32)
        for name in (*self._constraints, "lm"):
            if name in parts:
                loss = loss + parts[name] * self._weights.get(name, 1.0)
        if not loss.requires_grad and torch.is_grad_enabled():  # no constraint had anything to say
            loss = loss + 0.0 * sum(image.sum() for image in tokens)
        absent = torch.tensor(torch.nan, device=loss.device)
        names = ("lm", *self._constraints)
        return {"loss": loss, **{name: parts.get(name, absent).detach() for name in names}}

    def _visual(self, rows: NDArray[np.int64]) -> tuple[Visual, None]:
        """Return visual tokens that are yet to be put into prompts; see :mod:`eyechart.tune.tokens`."""
        assert self._tokens is not None
        with self._subject.precision():
            return self._tokens(rows).float(), None

    def _in_prompts(self, tokens: Any, rows: NDArray[np.int64], wordings: NDArray[np.int64]) -> torch.Tensor:
        """Return the answers' losses with the visual tokens put into the prompts."""
        prompts = [
            self._subject.prompt(self._lesson.questions[w], self._lesson.size(row))
            for row, w in zip(rows, wordings, strict=True)
        ]
        return answer_losses(self._subject, tokens, prompts, self._answers(rows, wordings))

    def _own(
        self, rows: NDArray[np.int64], wordings: np.ndarray[Any, Any]
    ) -> tuple[Visual, torch.Tensor | None]:
        """Compute by the model's own forward pass, once for each size of image and question."""
        groups: dict[tuple[tuple[int, int], int], list[int]] = {}
        for place, (row, wording) in enumerate(zip(rows.tolist(), wordings.tolist(), strict=True)):
            groups.setdefault((self._lesson.size(row), wording), []).append(place)
        tokens: dict[int, torch.Tensor] = {}
        each: dict[int, torch.Tensor] = {}
        answers = self._answers(rows, wordings) if self._answer else []
        for (_, wording), places in groups.items():
            images = [self._lesson.images[rows[place]] for place in places]
            question = self._lesson.questions[wording]
            if self._answer:
                seen, losses = answered(self._subject, images, question, [answers[p] for p in places])
                each |= dict(zip(places, losses, strict=True))
            else:
                seen = visual(self._subject, images, question)
            tokens |= dict(zip(places, (image.float() for image in seen), strict=True))
        ordered = range(len(rows))
        return [tokens[i] for i in ordered], torch.stack([each[i] for i in ordered]) if each else None

    def _answers(self, rows: NDArray[np.int64], wordings: np.ndarray[Any, Any]) -> list[tuple[int, ...]]:
        lesson = self._lesson
        return [
            self._subject.answer_ids(
                lesson.questions[w], lesson.labels[lesson.targets[row]], lesson.size(row)
            )
            for row, w in zip(rows, wordings, strict=True)
        ]
