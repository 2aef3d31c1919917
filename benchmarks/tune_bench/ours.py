"""Eyechart's way, through its own functions: one epoch of an arm, and single steps on large models."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from eyechart.subjects.components import components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.constraints import constraints
from eyechart.tune.lesson import Lesson
from eyechart.tune.task import Task
from eyechart.tune.tokens import from_pixels
from eyechart.tune.train import tune


def epoch(
    subject: ModelSubject, train: str, lesson: Lesson, config: TuneConfig, cache: Path, seed: int
) -> dict[str, float]:
    """Train one component for one epoch on the answer's loss, and for one on the constraints where it can be.

    Args:
        subject: the model, changed in place.
        train: ``projector`` or ``language``.
        lesson: images, labels and the question.
        config: batch and rank.
        cache: folder of kept features; the first epoch with it computes them.
        seed: of the run; finished phases of another seed are not taken from the cache.

    Returns:
        Seconds of the steps of each phase, and of everything together (``whole``: with the features, where
        they are not kept yet, and the proof).
    """
    steps = len(lesson.targets) // config.batch
    # The projector's own phase has batches of four times the size.
    alone = max(3, steps // 4) if train == "projector" else 0
    settings = config.model_copy(
        update={
            "steps": steps,
            "projector_steps": alone,
            "alignment_steps": 0,
            "constraints": _weights(train),
        }
    )
    begun = time.perf_counter()
    tuned = tune(subject, arm(train), lesson, settings, seed=seed, cache=cache)
    whole = time.perf_counter() - begun
    ends = tuned.losses.groupby("phase", sort=False)["seconds"].agg(["max", "size"])
    before, found = 0.0, {"whole": whole}
    for phase, (end, count) in ends.iterrows():
        size = config.batch * (4 if phase == "projector" else 1)
        found[str(phase)] = (end - before) * len(lesson.targets) / (count * size)
        before = end
    return found


def _weights(train: str) -> dict[str, float]:
    return {"alignment": 0.3} if train == "projector" else {}


def step(
    subject: ModelSubject, lesson: Lesson, train: str, rate: float, *, answer: bool
) -> Callable[[], None]:
    """Return one step of training on the whole lesson as a batch: forward, backward, AdamW.

    Args:
        subject: the model.
        lesson: the images of the batch.
        train: the trained components, in full.
        rate: learning rate.
        answer: whether the language model is passed; else the alignment constraint alone counts.
    """
    import torch

    made = constraints(
        ("alignment",),
        subject,
        lesson.labels,
        lesson.images,
        tuple(map(str, range(len(lesson.targets)))),
        np.zeros(len(lesson.targets), bool),
    )
    weights = {"alignment": 0.0 if answer else 1.0}
    used: Any = {} if answer else made
    task = Task(subject, lesson, used, weights, answer=answer, tokens=from_pixels(subject, lesson))
    parts = components(subject.model.requires_grad_(False))
    chosen = [p for component in arm(train).train for p in parts[component].values()]
    optimiser = torch.optim.AdamW(chosen, lr=rate)
    rows = torch.arange(len(lesson.targets))
    wordings = torch.zeros_like(rows)

    def once() -> None:
        for parameter in chosen:
            parameter.requires_grad_(True)
        task(rows, wordings)["loss"].backward()
        optimiser.step()
        optimiser.zero_grad()
        subject.model.requires_grad_(False)

    return once
