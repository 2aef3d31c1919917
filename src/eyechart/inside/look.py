"""The look inside one arm: what it is made of, and its steps, each of which leaves one file of the run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from eyechart.dataset import Dataset
from eyechart.errors import EyechartError
from eyechart.exam.shards import folder_of
from eyechart.inside.causal import patching
from eyechart.inside.choice import looked_at, template_of
from eyechart.inside.config import InsideConfig
from eyechart.inside.contextual import contextual
from eyechart.inside.controls import controls
from eyechart.inside.distance import distance
from eyechart.inside.geometry import geometry
from eyechart.inside.identity import digest, images_identity, subject_identity
from eyechart.inside.lens import lens
from eyechart.inside.maps import maps
from eyechart.inside.reading import read_states
from eyechart.inside.shapley import attribution, swapping
from eyechart.inside.stages import probes, stages
from eyechart.inside.store import NotKeptError, States
from eyechart.inside.verdict import rungs, verdict
from eyechart.runs import Run, flatten
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.trust import require_proof

if TYPE_CHECKING:
    import pandas as pd

BASE = "base"
RECORD, STATES = "inside.json", "states"  # in an arm's folder


@dataclass(frozen=True)
class Look:
    """One arm and the images on which it is looked into. What is costly is made when it is asked for.

    Attributes:
        run: the run, in whose ``arms/ARM`` the steps file what they find.
        arm: which arm of the run it is.
        subject: the model.
        dataset: where the images come from.
        table: the test images that are looked at, one row each as :meth:`Dataset.table` gives them.
        fit_table: the train images on which probes are fitted, spread alike; their contents are others.
        template: id of the template that ``question`` is from.
        question: what the language model reads beside the image.
        config: settings.
        seed: of the run.
        load_base: loads the subject as it was before tuning; None where the arm is that subject, or where
            none was named.
        say: where progress is told.
        only: stages that are read; None: as ``config`` says.
    """

    run: Run
    arm: str
    subject: ModelSubject
    dataset: Dataset
    table: pd.DataFrame
    fit_table: pd.DataFrame
    template: str
    question: str
    config: InsideConfig
    seed: int
    load_base: Callable[[], ModelSubject] | None = None
    say: Callable[[str], None] = print
    only: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        run: Run,
        arm: str,
        subject: ModelSubject,
        dataset: Dataset,
        config: InsideConfig,
        seed: int,
        load_base: Callable[[], ModelSubject] | None = None,
        say: Callable[[str], None] = print,
    ) -> Look:
        """Return the look that the settings describe.

        Raises:
            EyechartError: there is no such template, or its question is about one label only.
        """
        table = looked_at(dataset.table("test"), config.images, seed)
        fit_table = looked_at(dataset.table("train"), config.train_images, seed)
        template = template_of(config.template)
        asked = (template.id, template.question(dataset.labels))
        return cls(run, arm, subject, dataset, table, fit_table, *asked, config, seed, load_base, say)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the dataset, which is that of the likelihoods in the answers."""
        return self.dataset.labels

    @cached_property
    def answers(self) -> pd.DataFrame:
        """What the arm answered in its exam about the images of ``table`` (see eyechart.exam.shards.COLUMNS).

        Raises:
            EyechartError: it was not examined.
        """
        found = self.run.read_table(folder_of(self.arm))
        return found[found["image_id"].isin(self.table["image_id"])].reset_index(drop=True)

    @cached_property
    def states(self) -> States:
        """The states on the test images, in the order of ``table``, with the tokens of some stages."""
        return self._read("test", self.table, tokens=self.config.tokens)

    @cached_property
    def fit_states(self) -> States:
        """The states on the images of ``fit_table``, in its order; no tokens are kept."""
        return self._read("train", self.fit_table, tokens=False)

    @cached_property
    def base_subject(self) -> ModelSubject | None:
        """The subject before tuning; None where the arm is that subject, or where none was named."""
        return None if self.load_base is None else self.load_base()

    @cached_property
    def base_states(self) -> States | None:
        """The states of the arm ``base`` on the same images; None where the run does not hold them."""
        record = f"arms/{BASE}/{RECORD}"
        if self.arm == BASE or not self.run.has(record):
            return None
        folder = self._folder(BASE, "test", self.table, self.run.read_json(record)["subject"])
        if not folder.is_dir():
            return None
        states = replace(self.states, folder=folder)
        return states if states.whole else None

    @cached_property
    def identity(self) -> dict[str, str]:
        """Hashes of what the states depend on beside the images."""
        height, width = self.table[["height", "width"]].iloc[0]
        return subject_identity(self.subject, self.question, (int(height), int(width)))

    def record(self) -> dict[str, Any]:
        """Return what the look depends on, to be kept beside what it finds; the batch may change."""
        return {
            "subject": self.identity,
            "images": {"test": images_identity(self.table), "train": images_identity(self.fit_table)},
            "settings": self.config.model_dump(mode="json", exclude={"batch"}),
        }

    def file(self, name: str) -> str:
        """Return the path inside the run of one of the arm's files."""
        return f"arms/{self.arm}/{name}"

    def found(self, name: str) -> pd.DataFrame:
        """Return the table that an earlier step has left, e.g. ``"probes.parquet"``."""
        return self.run.read_table(self.file(name))

    def _folder(self, arm: str, split: str, table: pd.DataFrame, subject: Mapping[str, str]) -> Path:
        """Return the folder of an arm's states, named by all that they depend on."""
        read = self.config.model_dump(include={"every", "tokens", "precision"})
        key = digest(sorted(subject.items()), images_identity(table), sorted(read.items()), self.only)
        return self.run.arm(arm) / STATES / f"{split}-{key[:16]}"

    def _read(self, split: str, table: pd.DataFrame, *, tokens: bool) -> States:
        with self.run.timer(f"{self.arm}: inside: reading {split} images"):
            return read_states(
                self._folder(self.arm, split, table, self.identity),
                self.subject,
                table,
                partial(self.dataset.images, split),
                self.question,
                self.config,
                tokens=tokens,
                only=self.only,
                what=f"{self.arm}: inside: {split} images",
                say=self.say,
            )


class Step(NamedTuple):
    """One step of the look.

    Attributes:
        make: returns the step's table, or None where it does not apply to this subject or arm.
        asks: whether it reads the answers of the exam.
        needs: files of earlier steps that it reads (see :meth:`Look.found`).
    """

    make: Callable[[Look], pd.DataFrame | None]
    asks: bool = False
    needs: tuple[str, ...] = ()


# The file of each step in its arm's folder, in the order in which they are made.
STEPS: dict[str, Step] = {
    "distance.parquet": Step(distance, asks=True),
    "contextual.parquet": Step(contextual),
    "controls.parquet": Step(controls, needs=("distance.parquet",)),
    "maps.parquet": Step(maps),
    "lens.parquet": Step(lens),
    "probes.parquet": Step(probes),
    "stages.parquet": Step(stages, needs=("probes.parquet",)),
    "geometry.parquet": Step(geometry),
    "patching.parquet": Step(patching, asks=True),
    "swap.parquet": Step(swapping, asks=True),
    "shapley.parquet": Step(attribution, needs=("swap.parquet",)),
    "rungs.parquet": Step(rungs, asks=True, needs=("probes.parquet",)),
    "verdict.parquet": Step(verdict, needs=("rungs.parquet",)),
}


def steps_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the files of some steps and of those that they need, in the order in which they are made.

    Args:
        names: of steps, without the ending of their files; none gives all.

    Raises:
        EyechartError: there is no such step.
    """
    known = {Path(file).stem: file for file in STEPS}
    names = [name.strip() for name in names]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise EyechartError(f"the look has no step {name!r}", hint)
    wanted = {known[name] for name in names or known}
    for file in reversed(STEPS):  # a step needs earlier ones alone
        if file in wanted:
            wanted.update(STEPS[file].needs)
    return tuple(file for file in STEPS if file in wanted)


def look_inside(look: Look, files: Sequence[str] = tuple(STEPS)) -> None:
    """Make the files of some steps; one that is there is not made again.

    Args:
        look: what is looked into.
        files: of ``STEPS``.

    Raises:
        EyechartError: the arm's folder holds files of another look, or the subject's components are not
            proved.
    """
    _refuse_another(look)
    require_proof(look.subject)
    for file in files:
        if look.run.has(look.file(file)):
            continue
        name = f"{look.arm}: inside: {Path(file).stem}"
        look.say(name)
        with look.run.timer(name):
            made, why = _made(look, file)
        if made is None:
            look.say(f"{name} does not apply{why}")
        else:
            look.run.write_table(made, look.file(file))


def _made(look: Look, file: str) -> tuple[pd.DataFrame | None, str]:
    """Return a step's table; or None, with the reason where one is known."""
    absent = [Path(need).stem for need in STEPS[file].needs if not look.run.has(look.file(need))]
    if absent:
        return None, f": it needs {', '.join(absent)}"
    try:
        return STEPS[file].make(look), ""
    except NotKeptError as why:
        return None, f": {why.what}; {why.remedy}"


def remove_states(run: Run, arm: str) -> None:
    """Remove the states of an arm."""
    shutil.rmtree(run.path / "arms" / arm / STATES, ignore_errors=True)


def _refuse_another(look: Look) -> None:
    """Keep what the look depends on; refuse if a step's file depends on something else."""
    now = look.record()
    if not (look.run.has(look.file(RECORD)) and any(look.run.has(look.file(file)) for file in STEPS)):
        look.run.write_json(now, look.file(RECORD))
        return
    kept = look.run.read_json(look.file(RECORD))
    kept["settings"].pop("batch", None)  # earlier versions kept it
    before, after = flatten(kept), flatten(now)
    differing = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    if differing:
        raise EyechartError(
            f"{look.run.arm(look.arm)} holds another look, which differs in {', '.join(differing)}",
            "name another folder with --out, or use the same subject, images and settings to resume",
        )
