"""Train the chosen components of a subject, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eyechart.errors import EyechartError
from eyechart.seeds import seed_of
from eyechart.subjects.components import assigned, components
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.trust import require_proof
from eyechart.tune.arms import Arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.constraints import Constraint, constraints
from eyechart.tune.course import Course
from eyechart.tune.lesson import Lesson
from eyechart.tune.lora import adapt, trainable
from eyechart.tune.phases import vision_path
from eyechart.tune.processes import joined
from eyechart.tune.proof import prove, snapshot
from eyechart.tune.reach import unreachable
from eyechart.tune.table import before_summary, before_table


@dataclass(frozen=True)
class Tuned:
    """What tuning did: one row of losses a step, and, in the first process, the proof of what changed."""

    losses: pd.DataFrame
    proof: dict[str, Any]


def tune(
    subject: ModelSubject,
    arm: Arm,
    lesson: Lesson,
    config: TuneConfig,
    *,
    seed: int,
    cache: Path | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tuned:
    """Train the components of ``arm`` in place and prove that exactly they changed.

    Args:
        subject: the model, changed in place; adapters are merged at the end.
        arm: the components to train, in :func:`eyechart.tune.phases.phases`.
        lesson: images, labels and the train templates.
        config: settings.
        seed: the run's seed.
        cache: folder for what is computed once: the frozen encoder's features, and each finished phase,
            which arms that train the same before the answer share; also the checkpoints that a killed run is
            taken up from. Each file is named by all that it depends on.
        tell: is told beforehand what trains, what it takes, and what cannot train although it was chosen.

    Raises:
        EyechartError: too few steps, a constraint has nothing to work on, a component has no parameter, which
            are its parameters is not proved, or the proof of what changed failed.
    """
    import torch

    require_proof(subject)
    _refuse_empty(subject, arm)
    first = joined(config).is_main_process
    config = arm.settings(config)
    before = snapshot(subject.model, arm.train if first else ())
    dead = unreachable(subject.model, _sample(subject, lesson), arm.train)
    made = _constraints(subject, arm, lesson, config)
    torch.manual_seed(seed_of(seed, "tune", arm.name) % 2**63)  # the adapters' first values
    chosen = [component for component in arm.train if component in config.lora]
    adapter, adapted = adapt(subject, chosen, config.lora_rank) if chosen else (None, {})
    if tell is not None:
        tell(_told(subject, arm, dead))
    quiet = tell or (lambda _: None)
    course = Course(subject, arm, lesson, config, made, seed, cache, before, quiet)
    table = pd.concat(list(course.run()), ignore_index=True).rename_axis("step").reset_index()
    sizes = {c: sum(p.numel() for _, p in trainable(subject, c)) for c in arm.train}
    if adapter is not None:
        adapter.merge_and_unload()
    subject.model.requires_grad_(False).eval()
    proof: dict[str, Any] = {}
    if first:
        proof = prove(before, subject.model, arm.train, adapted=adapted, unreachable=dead)
        for component, row in proof["components"].items():
            row["trainable"] = sizes.get(component, 0)
    return Tuned(table.assign(seconds=(table["seconds"].cumsum() * 100).round() / 100), proof)


def _refuse_empty(subject: ModelSubject, arm: Arm) -> None:
    parts = components(subject.model)
    for component in arm.train:
        if not parts[component]:
            told = ", ".join(f"{what} to {where}" for what, where in assigned(subject.model).items())
            raise EyechartError(
                f"{component} of {subject.name} has no parameter: --assign counted {told}",
                "name the other components, or assign less",
            )


def _sample(subject: ModelSubject, lesson: Lesson) -> dict[str, Any]:
    """Return the model's inputs for one image, asked in the first words."""
    text = subject.conversation(lesson.questions[0])
    with subject.precision():
        return subject.inputs([lesson.images[0]], text)


def _told(subject: ModelSubject, arm: Arm, dead: list[str]) -> str:
    """Return the table of what is about to train."""
    from eyechart.exam.console import rendered

    subject.model.requires_grad_(False)
    for component in arm.train:
        for _, parameter in trainable(subject, component):
            parameter.requires_grad_(True)
    return rendered(before_summary(subject.model, before_table(subject.model, dead), dead))


def _constraints(
    subject: ModelSubject, arm: Arm, lesson: Lesson, config: TuneConfig
) -> dict[str, Constraint]:
    """Return the constraints, made of the untuned subject; an arm without a vision path has none."""
    if not vision_path(arm):
        return {}
    count = len(lesson.targets)
    contents = lesson.contents or tuple(map(str, range(count)))
    clean = np.zeros(count, bool) if lesson.clean is None else lesson.clean
    return constraints(tuple(config.constraints), subject, lesson.labels, lesson.images, contents, clean)
