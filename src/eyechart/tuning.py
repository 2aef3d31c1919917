"""Tune one subject on one dataset, in a run folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eyechart.arms import lesson_of, save_checkpoint, train_templates
from eyechart.dataset import Dataset, load_dataset
from eyechart.errors import EyechartError
from eyechart.exam.shards import folder_of
from eyechart.group import ended
from eyechart.measures.accuracy import exam_table
from eyechart.plan.run import beside_plan, plan_tuning
from eyechart.plan.tune import took
from eyechart.report.numbers import Number
from eyechart.runs import Run
from eyechart.subjects.capabilities import Capability, require
from eyechart.subjects.early import refuse_early
from eyechart.subjects.loading import load_subject
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.options import LoadOptions
from eyechart.tune.arms import Arm
from eyechart.tune.arms import arm as arm_of
from eyechart.tune.card import Card, Result, write_card
from eyechart.tune.config import TuneConfig, tune_config
from eyechart.tune.phases import vision_path
from eyechart.tune.processes import joined
from eyechart.tune.side_effects import Answers, clean_images, keep_answers, side_effects
from eyechart.tune.train import tune

if TYPE_CHECKING:
    import pandas as pd

    from eyechart.study import StudyConfig

_AS_IT_IS = LoadOptions()
_PLAN = "plan.json"


def tune_run(
    subject: str,
    dataset: Path,
    train: str,
    out: Path,
    *,
    settings: dict[str, Any],
    seed: int,
    load: LoadOptions = _AS_IT_IS,
    say: Callable[[str], None] = print,
) -> Path:
    """Tune chosen components of one subject; returns the folder of the checkpoint.

    Several processes (``torchrun``, ``accelerate launch``) share each batch; the first writes the files. The
    same command takes up a run that was killed.

    Raises:
        EyechartError: no such subject, dataset or component, or the proof of what changed failed.
    """
    require(subject, Capability.COMPONENTS)
    arm = arm_of(train)
    if not arm.train:
        raise EyechartError(
            "the base is what is not tuned", "name components: vision, projector, language, or all"
        )
    load.refuse_tuning()
    found, config = load_dataset(dataset), tune_config(settings)
    plan = {"subject": subject, "load": asdict(load), "train": list(arm.train), "way": arm.way, "seed": seed}
    plan |= {"dataset": {"hash": found.hash}, "tune": config.model_dump(mode="json")}
    first, checkpoint = joined(config).is_main_process, out / "checkpoint"
    if first:
        refuse_early(subject, load)
    run = Run.create(out, plan) if first else Run(out)
    if (checkpoint / "README.md").is_file():
        say(f"tuned before: {checkpoint}")
        return checkpoint
    tuned_subject = load_subject(subject, load)
    lesson = lesson_of(found, config.templates)
    if first:
        plan_tuning(run, _PLAN, tuned_subject, found, lesson.questions[0], arm, config)
        before = _neutral(tuned_subject, found, out / "before")
        if before is None:
            say("side effects: not measured, as no test image is clean")
    with run.timer("tuning") if first else nullcontext():
        tuned = tune(
            tuned_subject, arm, lesson, config, seed=seed, cache=out / "cache", tell=say if first else None
        )
    ended()
    if not first:
        return checkpoint
    run.write_table(tuned.losses, "losses.csv")
    run.write_json(tuned.proof, "proof.json")
    save_checkpoint(tuned_subject, checkpoint)
    _tell_proof(tuned.proof, say)
    effects = _side_effects(run, tuned_subject, found, before, seed)
    templates = train_templates(found.labels, config.templates)
    write_card(
        Card(
            subject, load.revision, arm.name, found.record(), templates, settings_told(arm, config), seed,
            tuned.proof, losses=tuned.losses, side_effects=effects,
        ),
        checkpoint,
    )  # fmt: skip
    for name in ("cache", "before", "after"):
        shutil.rmtree(out / name, ignore_errors=True)
    say(beside_plan(run, _PLAN, took(run)))
    say(f"checkpoint: {checkpoint}")
    return checkpoint


def keep_card(run: Run, name: str, config: StudyConfig, dataset: Dataset) -> None:
    """Write the model card of an arm's checkpoint, with what its exam found."""
    answers = run.read_table(folder_of(name))
    pooled = answers.assign(template=answers["template_split"])
    results = [
        Result(f"{row['template_split']} wordings, {row['readout']}", Number.of(row, "accuracy"))
        for row in exam_table(pooled, dataset.labels, config.seed).to_dict("records")
    ]
    templates = train_templates(dataset.labels, config.tune.templates)
    settings = settings_told(arm_of(name), config.tune)
    proof, losses = run.read_json(f"arms/{name}/proof.json"), run.read_table(f"arms/{name}/losses.csv")
    card = Card(
        config.subject, config.load.revision, name, dataset.record(), templates, settings, config.seed, proof,
        results, losses,
    )  # fmt: skip
    write_card(card, run.arm(name) / "checkpoint")


def settings_told(arm: Arm, config: TuneConfig) -> dict[str, Any]:
    """Return how an arm was tuned, for its card: constraints work on a vision path alone."""
    found: dict[str, Any] = arm.settings(config).model_dump(mode="json")
    return found if vision_path(arm) else {**found, "constraints": {}}


def _neutral(subject: ModelSubject, dataset: Dataset, folder: Path) -> Answers | None:
    """Keep the answers to neutral prompts on clean test images; None if there are no such images."""
    try:
        table = clean_images(dataset)
    except EyechartError:
        return None
    return keep_answers(subject, dataset.images("test", table["image_id"]), table, folder)


def _side_effects(
    run: Run, subject: ModelSubject, dataset: Dataset, before: Answers | None, seed: int
) -> pd.DataFrame | None:
    """File how the answers to neutral prompts changed."""
    if before is None:
        return None
    after = _neutral(subject, dataset, run.path / "after")
    assert after is not None
    effects = side_effects(before, after, seed)
    run.write_table(effects, "side_effects.csv")
    return effects


def _tell_proof(proof: dict[str, Any], say: Callable[[str], None]) -> None:
    for component, row in proof["components"].items():
        changed = f"{row['changed_tensors']} of {row['tensors']} tensors changed"
        say(f"{component}: {changed}, {row['relative_change']:.2%}")
