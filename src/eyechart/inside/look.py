"""The look inside one arm: what it is made of, and its steps, each of which leaves one file of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from eyechart.dataset import Dataset
from eyechart.exam.shards import folder_of
from eyechart.inside.config import InsideConfig
from eyechart.inside.distance import distance
from eyechart.inside.reading import read_states
from eyechart.inside.stages import ladder
from eyechart.inside.store import States
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Look:
    """One arm and the images on which it is looked into. What is costly is made when it is asked for.

    Attributes:
        run: the run, in whose ``arms/ARM`` the steps file what they find.
        arm: which arm of the run it is.
        subject: the model.
        dataset: where the images come from.
        table: the test images that are looked at, one row each as :meth:`Dataset.table` gives them.
        fit_table: the train images on which probes are fitted; their contents are others.
        template: id of the template that ``question`` is from.
        question: what the language model reads after, or around, the image.
        config: settings.
        seed: of the run.
        load_base: loads the subject as it was before tuning; None where the arm is that subject, or where
            none was named.
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
        """The states of the subject before tuning on the images of ``table``; None where there is none."""
        return None

    def file(self, name: str) -> str:
        """Return the path inside the run of one of the arm's files."""
        return f"arms/{self.arm}/{name}"

    def found(self, name: str) -> pd.DataFrame:
        """Return the table that an earlier step has left, e.g. ``"probes.parquet"``."""
        return self.run.read_table(self.file(name))

    def _read(self, split: str, table: pd.DataFrame, *, tokens: bool) -> States:
        return read_states(
            self.run.arm(self.arm) / "states" / split,
            self.subject,
            table,
            lambda names: self.dataset.images(split, names),
            self.question,
            self.config,
            tokens=tokens,
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
    "stages.parquet": Step(ladder),
}


def look_inside(look: Look, steps: Iterable[str] = tuple(STEPS)) -> None:
    """Make the files of some steps; one that is there is not made again."""
    for name in steps:
        if look.run.has(look.file(name)):
            continue
        with look.run.timer(f"{look.arm}: inside: {name.partition('.')[0]}"):
            made = STEPS[name].make(look)
        if made is not None:
            look.run.write_table(made, look.file(name))
