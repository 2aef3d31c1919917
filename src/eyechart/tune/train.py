"""Train the chosen components of a subject, and nothing else."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.runs import writing
from eyechart.seeds import rng, seed_of
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import Arm
from eyechart.tune.batches import held_out, order
from eyechart.tune.config import TuneConfig
from eyechart.tune.constraints import Constraint, constraints
from eyechart.tune.features import features_file
from eyechart.tune.fit import fit
from eyechart.tune.lesson import Lesson
from eyechart.tune.lora import adapt, trainable
from eyechart.tune.memory import keep_memory
from eyechart.tune.phases import LANGUAGE, Phase, phases, vision_path
from eyechart.tune.proof import Snapshot, prove, snapshot
from eyechart.tune.reach import unreachable
from eyechart.tune.table import before_summary, before_table
from eyechart.tune.task import LEARNED, Task
from eyechart.tune.tokens import Tokens, fixed, from_features, from_pixels, is_plain
from eyechart.tune.trainer import Group, Shown

_DECAY = 0.02  # weight decay of what is tuned in full; adapters have none


@dataclass(frozen=True)
class Tuned:
    """What tuning did: one row of losses a step, and the proof of what changed."""

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
            which arms with the same vision path share; also the checkpoints that a killed run is taken up
            from. Each file is named by all that it depends on.
        tell: is told beforehand what trains, what it takes, and what cannot train although it was chosen.

    Raises:
        EyechartError: too few steps, a constraint has nothing to work on, or the proof failed.
    """
    import torch

    keep_memory()
    config = arm.settings(config)
    before = snapshot(subject.model, arm.train)
    dead = unreachable(subject.model, _sample(subject, lesson), arm.train)
    made = _constraints(subject, arm, lesson, config)
    torch.manual_seed(seed_of(seed, "tune", arm.name) % 2**63)  # the adapters' first values
    chosen = [component for component in arm.train if component in config.lora]
    adapter, adapted = adapt(subject, chosen, config.lora_rank) if chosen else (None, {})
    if tell is not None:
        tell(_told(subject, arm, dead))
    course = _Course(subject, arm, lesson, config, made, seed, cache, before)
    table = pd.concat(list(course.run()), ignore_index=True).rename_axis("step").reset_index()
    sizes = {c: sum(p.numel() for _, p in trainable(subject, c)) for c in arm.train}
    if adapter is not None:
        adapter.merge_and_unload()
    subject.model.requires_grad_(False).eval()
    proof = prove(before, subject.model, arm.train, adapted=adapted, unreachable=dead)
    for component, row in proof["components"].items():
        row["trainable"] = sizes.get(component, 0)
    return Tuned(table.assign(seconds=(table["seconds"].cumsum() * 100).round() / 100), proof)


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


@dataclass(frozen=True)
class _Course:
    """The phases of one arm, one after the other."""

    subject: ModelSubject
    arm: Arm
    lesson: Lesson
    config: TuneConfig
    constraints: dict[str, Constraint]
    seed: int
    cache: Path | None
    before: Snapshot

    def run(self) -> Iterator[pd.DataFrame]:
        """Run each phase, or take its end from the cache; yields one table of losses a phase."""
        train, held = self._split()
        aligning = rng(self.seed, "align", *vision_path(self.arm))
        answering = rng(self.seed, "tune", self.arm.name, "order")
        for phase in phases(self.arm, self.config):
            draw = answering if phase.answer else aligning
            rows = order(self.lesson, train, phase.steps * phase.batch, self.config.balance, draw)
            asked = rng(self.seed, "wordings", self.arm.name, phase.name)
            wordings = asked.integers(len(self.lesson.questions), size=len(rows))
            shown = Shown(
                list(zip(rows.tolist(), wordings.tolist(), strict=True)), [(row, 0) for row in held.tolist()]
            )
            yield self._once(phase, shown).assign(phase=phase.name).reindex(columns=self._columns())

    def _split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows to train on, and those of contents that are held out for early stopping."""
        held = np.zeros(len(self.lesson.targets), bool)
        if self.config.patience:
            held = held_out(self.lesson, self.config.held_out, rng(self.seed, "held out"))
        return np.flatnonzero(~held), np.flatnonzero(held)

    def _columns(self) -> list[str]:
        more = ["held_out"] if self.config.patience else []
        return ["phase", "seconds", "loss", "lm", *self.config.constraints, "learning_rate", *more]

    def _once(self, phase: Phase, shown: Shown) -> pd.DataFrame:
        """Run a phase, or load its end; returns its losses."""
        from accelerate import PartialState
        from safetensors.torch import load_file, save_file

        named = {f"model.{name}": p for name, p in self.subject.model.named_parameters()}
        learned = [p for one in self.constraints.values() for p in one.parameters()]
        named |= {f"{LEARNED}.{i}": p for i, p in enumerate(learned)}
        kept = self._kept(phase)
        if kept is not None and kept.is_file():
            for name, value in load_file(kept).items():
                named[name].data.copy_(value)
            return pd.read_csv(kept.with_suffix(".csv"))
        folder = kept.with_suffix("") if kept else None
        losses = self._fit(phase, shown, folder)
        if kept is not None and folder is not None and PartialState().is_main_process:
            with writing(kept.with_suffix(".csv")) as partial:
                losses.to_csv(partial, index=False)
            trained = {n: p.detach().cpu().contiguous() for n, p in named.items() if p.requires_grad}
            with writing(kept) as partial:
                save_file(trained, partial)
            shutil.rmtree(folder, ignore_errors=True)
        return losses

    def _kept(self, phase: Phase) -> Path | None:
        """Return the file of a phase's end; arms with the same vision path share those before the answer."""
        if self.cache is None:
            return None
        shared = not phase.answer and not set(phase.train) & set(self.config.lora)
        arm = "+".join(vision_path(self.arm)) if shared else self.arm.name
        later = {"steps", "answer_rate"} if shared else set()  # of no effect before the answer's phase
        told = (
            self.config.model_dump_json(exclude=later),
            self.lesson.digest(),
            *self.lesson.labels,
            *self.lesson.questions,
        )
        parts = (
            f"{part} {name} {value}"
            for part, found in self.before.hashes.items()
            for name, value in found.items()
        )
        key = hashlib.sha256("; ".join((str(self.seed), *told, *parts)).encode()).hexdigest()[:16]
        return self.cache / f"{arm}-{phase.name}-{key}.safetensors"

    def _fit(self, phase: Phase, shown: Shown, folder: Path | None) -> pd.DataFrame:
        """Train the components of a phase."""
        largest = 1.0 if phase.answer else max(self.config.constraints.values())
        weights = {name: weight / largest for name, weight in self.config.constraints.items()}
        task = Task(
            self.subject,
            self.lesson,
            self.constraints,
            weights,
            answer=phase.answer,
            tokens=self._tokens(phase),
        )
        groups = [self._group(component, phase) for component in phase.train]
        seed = seed_of(self.seed, "tune", self.arm.name, phase.name) % 2**32
        return fit(task, phase.name, groups, shown, phase.batch, self.config, folder, seed)

    def _tokens(self, phase: Phase) -> Tokens | None:
        """Return where a phase's visual tokens come from: as little is computed as its frozen parts allow."""
        if not is_plain(self.subject, self.lesson):
            return None
        if "vision" in phase.train:
            return from_pixels(self.subject, self.lesson)
        kept = None
        if self.cache is not None:
            kept = features_file(self.cache, self.subject, self.lesson, self.before.hashes["vision"])
        make = from_features if "projector" in phase.train else fixed
        return make(self.subject, self.lesson, kept)

    def _group(self, component: str, phase: Phase) -> Group:
        """Return a component's trained parameters with their learning rate and weight decay."""
        rate = getattr(self.config.learning_rates, component)
        if phase.answer and component != LANGUAGE:
            rate *= self.config.answer_rate
        names = tuple(name for name, _ in trainable(self.subject, component))
        return Group(names, rate, 0.0 if component in self.config.lora else _DECAY)
