"""The phases of one arm, one after the other: what each shows, and what is kept of it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.runs import writing
from eyechart.seeds import rng, seed_of
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import Arm
from eyechart.tune.batches import held_out, order
from eyechart.tune.config import TuneConfig
from eyechart.tune.constraints import Constraint
from eyechart.tune.features import features_file, projector_inputs
from eyechart.tune.fit import fit
from eyechart.tune.grouping import counting, grouped
from eyechart.tune.lesson import Lesson
from eyechart.tune.lora import trainable
from eyechart.tune.phases import Phase, phases
from eyechart.tune.proof import Snapshot
from eyechart.tune.shard import twin
from eyechart.tune.task import LEARNED, Task
from eyechart.tune.tokens import Tokens, fixed, from_features, from_pixels, is_plain
from eyechart.tune.trainer import Group, Shown

_DECAY = 0.02  # weight decay of what is tuned in full; adapters have none


@dataclass(frozen=True)
class Course:
    """The phases of one arm, one after the other.

    Attributes:
        subject: the model, with adapters where there are to be any.
        arm: the components to train.
        lesson: images, labels and the train templates.
        config: settings of the arm.
        constraints: made of the untuned subject.
        seed: the run's seed.
        cache: folder of kept features, finished phases and checkpoints; None keeps nothing.
        before: the untuned weights' hashes name what is kept.
        tell: is told what a person should know of a phase.
    """

    subject: ModelSubject
    arm: Arm
    lesson: Lesson
    config: TuneConfig
    constraints: dict[str, Constraint]
    seed: int
    cache: Path | None
    before: Snapshot
    tell: Callable[[str], None]

    def run(self) -> Iterator[pd.DataFrame]:
        """Run each phase, or take its end from the cache; yields one table of losses a phase."""
        train, held = self._split()
        for phase in phases(self.arm, self.config):
            draw = self._draw(phase)
            rows = order(self.lesson, train, phase.steps * phase.batch, self.config.balance, draw)
            counted = np.full(phase.steps, np.nan)
            if self._grouped:
                part = self._part(phase)
                rows = grouped(self.lesson, rows, part, draw)
                counted = counting(self.lesson, rows, part).reshape(phase.steps, -1).mean(1)
                self.tell(f"{phase.name}: {counted.mean():.1%} of the images count for contrast")
            asked = rng(self.seed, "wordings", self.arm.name, phase.name)
            wordings = asked.integers(len(self.lesson.questions), size=len(rows))
            shown = Shown(
                list(zip(rows.tolist(), wordings.tolist(), strict=True)), [(row, 0) for row in held.tolist()]
            )
            losses = self._once(phase, shown)
            told = losses.assign(phase=phase.name, counted=counted[: len(losses)])
            yield told.reindex(columns=self._columns())

    def _split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows to train on, and those of contents that are held out for early stopping."""
        held = np.zeros(len(self.lesson.targets), bool)
        if self.config.patience:
            held = held_out(self.lesson, self.config.held_out, rng(self.seed, "held out"))
        return np.flatnonzero(~held), np.flatnonzero(held)

    def _columns(self) -> list[str]:
        more = [*(["counted"] if self._grouped else []), *(["held_out"] if self.config.patience else [])]
        return ["phase", "seconds", "loss", "lm", *self.config.constraints, "learning_rate", *more]

    @property
    def _grouped(self) -> bool:
        """Say whether images are shown in groups that ``contrast`` can compare."""
        return "contrast" in self.constraints

    def _part(self, phase: Phase) -> int:
        """Return how many images one forward pass has: what ``contrast`` compares with each other."""
        from accelerate import PartialState

        processes: int = PartialState().num_processes
        return max(1, phase.batch // (processes * self.config.accumulate))

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
            names = [f"model.{name}" for group in self._groups(phase) for name in group.names]
            names += [name for name in named if name.startswith(f"{LEARNED}.")]
            with writing(kept) as partial:
                save_file({name: named[name].detach().cpu().contiguous() for name in names}, partial)
            shutil.rmtree(folder, ignore_errors=True)
        return losses

    def _is_own(self, phase: Phase) -> bool:
        """Say whether a phase is this arm's alone; else all arms share it that train the same in it."""
        return phase.answer or bool(set(phase.train) & set(self.config.lora))

    def _draw(self, phase: Phase) -> np.random.Generator:
        """Return what draws the order of a phase's images."""
        if phase.answer:
            return rng(self.seed, "tune", self.arm.name, "order")
        own = (self.arm.name, phase.name) if self._is_own(phase) else phase.train
        return rng(self.seed, "align", *own)

    def _kept(self, phase: Phase) -> Path | None:
        """Return the file of a phase's end, which arms share where they train the same before the answer."""
        if self.cache is None:
            return None
        arm = self.arm.name if self._is_own(phase) else "+".join(phase.train)
        later = set() if phase.answer else {"steps", "answer_rate"}  # of no effect before the answer's phase
        told = (
            self.config.model_dump_json(exclude=later),
            *([str(self._part(phase))] if self._grouped else []),
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
        groups, tokens = self._groups(phase), self._tokens(phase)
        of = (self.arm.name,) if self._is_own(phase) else phase.train
        seed = seed_of(self.seed, "tune", *of, phase.name) % 2**32
        device, whole = self.subject.device, self.subject.model if self.config.shard else None
        with twin(self.subject) if self.config.shard else nullcontext(self.subject) as pupil:
            task = Task(
                pupil, self.lesson, self.constraints, weights, answer=phase.answer, tokens=tokens(pupil)
            )
            return fit(task, phase.name, groups, shown, phase.batch, self.config, folder, seed, device, whole)

    def _tokens(self, phase: Phase) -> Callable[[ModelSubject], Tokens | None]:
        """Return what makes visual tokens in a phase: as little is computed as its frozen parts allow."""
        if not is_plain(self.subject, self.lesson):
            return lambda _: None
        if "vision" in phase.train:
            return lambda pupil: from_pixels(pupil, self.lesson)
        kept = None
        if self.cache is not None:
            kept = features_file(self.cache, self.subject, self.lesson, self.before.hashes["vision"])
        features = projector_inputs(self.subject, self.lesson.images, kept)
        if "projector" in phase.train:
            return lambda pupil: from_features(pupil, features)
        tokens = fixed(self.subject, features)
        return lambda _: tokens

    def _groups(self, phase: Phase) -> list[Group]:
        """Return each component's trained parameters with their learning rate and weight decay."""
        before = {one for other in phases(self.arm, self.config) if not other.answer for one in other.train}
        found = []
        for component in phase.train:
            rate = getattr(self.config.learning_rates, component)
            if phase.answer and component in before:
                rate *= self.config.answer_rate
            names = tuple(name for name, _ in trainable(self.subject, component))
            found.append(Group(names, rate, 0.0 if component in self.config.lora else _DECAY))
        return found
