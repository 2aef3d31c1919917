"""One arm of a study: the subject tuned, examined and looked into; each part is a file of the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eyechart.dataset import Dataset
from eyechart.errors import EyechartError
from eyechart.exam.content import content_scenes, examine_content
from eyechart.exam.processes import Processes
from eyechart.exam.run import engine_of, examine
from eyechart.inside import Look, look_inside, steps_of
from eyechart.plan.run import beside_plan, plan_tuning
from eyechart.plan.tune import took
from eyechart.runs import Run
from eyechart.subjects.loading import load_subject
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import PROJECTED
from eyechart.subjects.subject import Subject
from eyechart.taxonomy import CLEAN
from eyechart.templates import load_templates
from eyechart.tune.arms import arm as arm_of
from eyechart.tune.lesson import Lesson, Pictures
from eyechart.tune.train import tune

if TYPE_CHECKING:
    from eyechart.study import StudyConfig


_ALONE = Processes()
_IN_MEMORY = 2**31  # bytes of pixels of a train split that is held in memory; larger ones are read by rows
_AUDITED = 2  # photographs in the audit of the pixel path


def train_templates(labels: tuple[str, ...], count: int) -> dict[str, str]:
    """Return the questions of the first train templates, by template.

    Raises:
        EyechartError: there are not so many.
    """
    found = {t.id: t.question(labels) for t in load_templates() if t.split == "train"}
    if count > len(found):
        raise EyechartError(f"there are {len(found)} train templates, not {count}", "mix as many at most")
    return dict(list(found.items())[:count])


def lesson_of(dataset: Dataset, templates: int = 1) -> Lesson:
    """Return the train split as what an arm is trained on, asked in the words of so many train templates.

    Raises:
        EyechartError: there are no train images, or not so many templates.
    """
    labels, table = dataset.labels, dataset.table("train")
    if not len(table):
        raise EyechartError("the dataset has no train images", "build it with some: --train-images N")
    pixels = 3 * int((table["height"] * table["width"]).sum())
    held = pixels <= _IN_MEMORY
    return Lesson(
        dataset.images("train") if held else Pictures(dataset, "train", table["image_id"].tolist()),
        np.array([labels.index(label) for label in table["label"]]),
        labels,
        tuple(train_templates(labels, templates).values()),
        sizes=tuple(zip(table["height"].tolist(), table["width"].tolist(), strict=True)),
        contents=tuple(table["content"]),
        corpora=tuple(table["corpus"]),
        clean=(table["distortion"] == CLEAN).to_numpy(),
        identity=" ".join(table["pixels_sha256"]),
    )


def tuned_subject(
    run: Run, name: str, config: StudyConfig, dataset: Dataset, say: Callable[[str], None]
) -> ModelSubject:
    """Return the subject of an arm, tuned now or, if its checkpoint is complete, loaded."""
    arm, folder = arm_of(name), run.arm(name)
    if not arm.train:
        return load_subject(config.subject, config.load)
    if (folder / "proof.json").is_file() and (folder / "checkpoint" / "config.json").is_file():
        return load_subject(str(folder / "checkpoint"), replace(config.load, revision=None))
    subject, lesson = load_subject(config.subject, config.load), lesson_of(dataset, config.tune.templates)
    plan, stage = f"arms/{name}/tuning_plan.json", f"{name}: tuning"
    plan_tuning(run, plan, subject, dataset, lesson.questions[0], arm, config.tune)
    with run.timer(stage):
        tuned = tune(subject, arm, lesson, config.tune, seed=config.seed, cache=run.path / "cache")
    run.write_table(tuned.losses, f"arms/{name}/losses.csv")
    save_checkpoint(subject, folder / "checkpoint")
    run.write_json(tuned.proof, f"arms/{name}/proof.json")
    say(beside_plan(run, plan, took(run, stage, f"arms/{name}/checkpoint")))
    return subject


def save_checkpoint(subject: ModelSubject, folder: Path) -> None:
    """Save model and processor as an ordinary Hugging Face folder (safetensors).

    Raises:
        EyechartError: the disk is full or the folder cannot be written.
    """
    try:
        subject.processor.save_pretrained(folder)
        subject.model.save_pretrained(folder)
    except Exception as error:  # safetensors wraps the operating system's error in its own
        raise EyechartError(
            f"cannot write the checkpoint to {folder}: {error}", "free some space; the same command resumes"
        ) from error


def examine_arm(
    run: Run,
    name: str,
    config: StudyConfig,
    dataset: Dataset,
    subject: ModelSubject,
    *,
    processes: Processes = _ALONE,
    say: Callable[[str], None] = print,
) -> None:
    """Audit what arrives, ask the exam's and the content questions."""
    with processes.together():
        if processes.first:
            keep_fidelity(run, dataset, subject)
    examine(run, name, subject, dataset, config.exam, seed=config.seed, processes=processes, say=say)
    with processes.together():
        if processes.first and not run.has(f"arms/{name}/content.parquet"):
            run.write_table(
                content_answers(run, name, config, dataset, subject), f"arms/{name}/content.parquet"
            )


def content_answers(
    run: Run, name: str, config: StudyConfig, dataset: Dataset, subject: ModelSubject
) -> pd.DataFrame:
    """Return the answers to the content questions, on undistorted test images."""
    clean = dataset.table("test").query("label == 'clean'").head(config.content_scenes)
    images = dataset.images("test", clean["image_id"])
    scenes = content_scenes(images, clean["content"].tolist(), config.content_scenes, config.seed)
    return examine_content(subject, name, scenes, config.exam.batch, engine_of(run, name))


def keep_fidelity(run: Run, dataset: Dataset, subject: Subject) -> None:
    """File what of the dataset's distortions reaches the subject, at the size of its pictures.

    Pictures larger than the packaged photographs are audited at the photographs' size.
    """
    if run.has("fidelity.csv"):
        return
    from eyechart.distort import registry
    from eyechart.subjects.audit import audit

    table = dataset.table("test")
    types = [name for name in registry() if name in set(table["distortion"])]
    height, width = (min(int(table[side].median()), most) for side, most in (("height", 384), ("width", 512)))
    with run.timer("fidelity"):
        path, found = audit(subject, types, height, width, _AUDITED)
    run.write_json(asdict(path), "pixel_path.json")
    run.write_table(found, "fidelity.csv")


def look_at(
    run: Run,
    name: str,
    config: StudyConfig,
    dataset: Dataset,
    subject: ModelSubject,
    say: Callable[[str], None] = print,
) -> None:
    """Look inside an arm of a study; not looked into whole, it gets its semantic distance and maps.

    These need the visual tokens alone: the language model is not run for them.
    """
    load_base = partial(load_subject, config.subject, config.load) if arm_of(name).train else None
    look = Look.of(run, name, subject, dataset, config.inside, config.seed, load_base, say)
    if name not in config.inside_arms:
        look_inside(replace(look, only=(PROJECTED,)), steps_of(["controls", "maps"]))
        return
    look_inside(look)
