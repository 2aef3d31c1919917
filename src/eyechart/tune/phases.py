"""The stretches of training that an arm is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.tune.config import TuneConfig
from eyechart.tune.features import projector_inputs
from eyechart.tune.loss import Alignment, answer_losses

if TYPE_CHECKING:
    import torch

SHORTEST = 3  # steps in which a learning rate can rise and fall
Tokens = Callable[[NDArray[np.int64]], "torch.Tensor"]  # from rows of a lesson to visual tokens


@dataclass(frozen=True)
class Lesson:
    """What an arm is trained on.

    Attributes:
        images: uint8 HWC RGB, all of one size.
        targets: index of each image's label, int64 [n].
        labels: the labels.
        question: the train template's question, as it is asked.
    """

    images: list[Pixels]
    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    question: str


@dataclass(frozen=True)
class Phase:
    """A stretch of training: what trains, how long, on which tokens; ``answer``: on the answer's loss."""

    name: str
    train: tuple[str, ...]
    steps: int
    batch: int
    tokens: Tokens
    answer: bool


def from_pixels(subject: ModelSubject, lesson: Lesson) -> Tokens:
    """Return tokens computed from the images, with gradient wherever it is on."""
    return lambda rows: subject.project(subject.pixel_values([lesson.images[i] for i in rows]))


def from_features(subject: ModelSubject, lesson: Lesson, cache: Path | None) -> Tokens:
    """Return tokens computed from the frozen encoder's kept features, with gradient in the projector."""
    features = projector_inputs(subject, lesson.images, cache)
    return lambda rows: subject.projector(features[rows].to(subject.device).float())


def fixed(subject: ModelSubject, lesson: Lesson, cache: Path | None) -> Tokens:
    """Return the visual tokens of a vision path that nothing trains: projected once."""
    import torch

    project, count = from_features(subject, lesson, cache), len(lesson.images)
    with torch.no_grad(), subject.precision():
        parts = [project(np.arange(i, min(i + 200, count))).float() for i in range(0, count, 200)]
    tokens = torch.cat(parts)
    return lambda rows: tokens[rows]


def run_phase(
    subject: ModelSubject,
    lesson: Lesson,
    config: TuneConfig,
    constraint: Alignment | None,
    groups: dict[str, dict[str, Any]],
    phase: Phase,
    draw: np.random.Generator,
) -> pd.DataFrame:
    """Run one phase; gradients are on in its components alone."""
    import torch

    if phase.steps < SHORTEST:
        raise EyechartError(f"{phase.steps} steps are too few for {phase.name}", f"take at least {SHORTEST}")
    subject.model.requires_grad_(False).train()
    chosen = [dict(groups[component]) for component in phase.train]
    for component, group in zip(phase.train, chosen, strict=True):
        if phase.answer and component != "language":
            group["lr"] *= config.answer_rate
    parameters = [p for group in chosen for p in group["params"]]
    for parameter in parameters:
        parameter.requires_grad_(True)
    if constraint is not None:
        chosen.append({"params": [constraint.log_scale], "lr": 1e-2, "weight_decay": 0.0})
    optimiser = torch.optim.AdamW(chosen)
    rise = max(config.warmup, 2 / phase.steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [g["lr"] for g in chosen], phase.steps, pct_start=rise
    )
    log = []
    drawn = batches(len(lesson.targets), phase.batch, phase.steps, draw)
    for rows in track(drawn, f"tuning, {phase.name}", phase.steps):
        started = time.monotonic()
        loss, parts = _loss(subject, lesson, config, constraint, phase, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        rate = schedule.get_last_lr()[0]
        schedule.step()
        seconds = time.monotonic() - started
        log.append({"phase": phase.name, "seconds": seconds, **parts, "learning_rate": rate})
    return pd.DataFrame(log)


def _loss(
    subject: ModelSubject,
    lesson: Lesson,
    config: TuneConfig,
    constraint: Alignment | None,
    phase: Phase,
    rows: NDArray[np.int64],
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the loss of a batch, and its value and parts for the log."""
    import torch

    with subject.precision():
        tokens = phase.tokens(rows).float()
    loss, parts = tokens.new_zeros(()), {"lm": float("nan"), "alignment": float("nan")}
    if constraint is not None:
        aligned = constraint.loss(tokens, torch.from_numpy(lesson.targets[rows]).to(tokens.device))
        parts["alignment"] = aligned.item()
        loss = loss + aligned * (config.alignment if phase.answer else 1.0)
    if phase.answer:
        size = lesson.images[0].shape[:2]
        prompt = subject.prompt(lesson.question, size)
        answers = [subject.answer_ids(lesson.question, lesson.labels[t], size) for t in lesson.targets[rows]]
        lm = answer_losses(subject, tokens, [prompt] * len(rows), answers).mean()
        parts["lm"] = lm.item()
        loss = loss + lm
    return loss, {"loss": loss.item(), **parts}


def batches(count: int, size: int, total: int, draw: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield ``total`` batches of rows; every epoch is a fresh permutation."""
    left = np.empty(0, np.int64)
    for _ in range(total):
        while len(left) < size:
            left = np.concatenate([left, draw.permutation(count)])
        yield left[:size]
        left = left[size:]
