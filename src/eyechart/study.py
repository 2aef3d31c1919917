"""The whole river, from one configuration: dataset, arms, exam, inside, report."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PositiveInt

from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.exam import ExamConfig
from eyechart.exam.processes import Processes, refuse_several
from eyechart.inside import BASE, InsideConfig, remove_states
from eyechart.inside.choice import template_of
from eyechart.progress import track
from eyechart.quality import ScoreConfig
from eyechart.runs import Run
from eyechart.subjects.capabilities import Capability, require
from eyechart.subjects.early import refuse_early
from eyechart.subjects.options import LoadOptions
from eyechart.tune.arms import arm as arm_of
from eyechart.tune.config import TuneConfig

ARMS = ("base", "projector", "vision+projector", "language", "all")


class StudyConfig(BaseModel):
    """Everything that a study depends on; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subject: str = "nano"
    load: LoadOptions = LoadOptions()
    arms: tuple[str, ...] = ARMS
    seed: int = 0
    dataset: DatasetConfig = DatasetConfig(test_contents=12)
    exam: ExamConfig = ExamConfig(new_tokens=6)  # enough for the words of its wordings
    tune: TuneConfig = TuneConfig()
    inside: InsideConfig = InsideConfig()
    inside_arms: tuple[str, ...] = ("base", "vision+projector")
    content_scenes: PositiveInt = 84
    score: ScoreConfig | None = ScoreConfig(
        templates=("level-rate", "level-list", "level-photo", "q-align-five", "q-bench-pair"), images=120
    )
    keep_checkpoints: bool = False

    @classmethod
    def quick(cls, **changes: Any) -> StudyConfig:
        """Return a first look: fewer images, short tuning, two arms beside the base."""
        small = {
            "arms": ("base", "projector", "vision+projector"),
            "dataset": DatasetConfig(name="quick", train_images=1200, test_contents=8),
            "tune": TuneConfig(projector_steps=100, alignment_steps=120, steps=16),
            "inside": InsideConfig(train_images=320, every=15),
            "inside_arms": ("base",),
            "content_scenes": 48,
            "score": None,
        }
        return cls(**{**small, **changes})


def run_study(config: StudyConfig, out: Path, say: Callable[[str], None] = print) -> Path:
    """Run a study, or take it up where it stood, and return the report.

    Args:
        config: the resolved configuration.
        out: the run folder.
        say: where progress is told.

    Raises:
        EyechartError: the folder holds a run with another configuration, or something that a person can mend.
    """
    refuse_several("a study")
    for name in config.arms:
        if arm_of(name).train:  # a mistake in the names is told before anything is computed
            config.load.refuse_tuning()
    require(config.subject, Capability.COMPONENTS)
    refuse_early(config.subject, config.load)
    template_of(config.inside.template)
    run = Run.create(out, config.model_dump(mode="json"))
    say("dataset: pictures and their distortions, split by content")
    with run.timer("dataset"):
        dataset = build_dataset(config.dataset, out.parent / "datasets")
    file_dataset(run, dataset, config.seed, say)
    for name in config.arms:
        study_arm(run, name, config, dataset, say)
    if not config.keep_checkpoints:
        shutil.rmtree(run.path / "cache", ignore_errors=True)
        remove_states(run, BASE)
    return study_report(run, say)


def file_dataset(run: Run, dataset: Dataset, seed: int, say: Callable[[str], None]) -> None:
    """File what the report says of the dataset: its card, what was set aside, a gallery, the baselines."""
    from eyechart.report.gallery import keep_gallery
    from eyechart.subjects.baselines import baseline_answers

    for name in ("dataset.json", "set_aside.csv"):
        shutil.copyfile(dataset.path / name, run.path / name)
    train, test = dataset.table("train"), dataset.table("test")
    if test.empty:
        raise EyechartError(
            f"{dataset.path.name} has no test pictures with a label",
            "eyechart score can use it; exams cannot",
        )
    if not run.has("gallery.parquet"):
        keep_gallery(run, test, lambda ids: dataset.images("test", ids), seed)
    if not run.has("baselines.parquet"):
        say("baselines: majority and pixel statistics")
        with run.timer("baselines"):
            images = [
                track(dataset.each(split), f"pixel statistics, {split}", len(table))
                for split, table in (("train", train), ("test", test))
            ]
            answers = baseline_answers(train, images[0], test, images[1], seed=seed)
        run.write_table(answers, "baselines.parquet")


def study_arm(run: Run, name: str, config: StudyConfig, dataset: Dataset, say: Callable[[str], None]) -> None:
    """Tune one arm, examine it and look inside; each finished part is a file and is not made again."""
    folder = run.arm(name)
    if (folder / "DONE").is_file():
        say(f"{name}: done before")
        return
    from eyechart.arms import examine_arm, look_at, tuned_subject
    from eyechart.quality.run import score
    from eyechart.tuning import keep_card

    say(f"{name}: {'tuning, ' if name != 'base' else ''}exam, inside")
    subject = tuned_subject(run, name, config, dataset, say)
    with run.timer(f"{name}: exam"):
        examine_arm(run, name, config, dataset, subject, say=say)
    if config.score is not None:
        with run.timer(f"{name}: scores"):
            alone = Processes()
            score(run, name, subject, dataset, config.score, seed=config.seed, processes=alone, say=say)
    if arm_of(name).train:
        keep_card(run, name, config, dataset)
    with run.timer(f"{name}: inside"):
        look_at(run, name, config, dataset, subject, say)
    if not config.keep_checkpoints:
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        if name != BASE:  # with whose states the other arms' are compared
            remove_states(run, name)
    (folder / "DONE").touch()


def study_report(run: Run, say: Callable[[str], None]) -> Path:
    """Write the report of a run, and say what its exams found."""
    from eyechart.exam.console import exam_summary, rendered
    from eyechart.quality.console import score_summary
    from eyechart.report import build_report
    from eyechart.report.inputs import read_inputs
    from eyechart.report.tables import temperature_of

    say("report")
    with run.timer("report"):
        page = build_report(run.path)
    inputs = read_inputs(run)
    if inputs.every is not None:
        say(rendered(exam_summary(inputs.every, inputs.labels, temperature=temperature_of(inputs.config))))
    if inputs.scores is not None:
        say(score_summary(run.read_table("tables/score_agreement.csv")))
    say(f"open {page}")
    return page
