"""One bend of the river at a time: exam or inside of one subject on one dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from eyechart.arms import examine_arm
from eyechart.dataset import Dataset, load_dataset
from eyechart.exam import ExamConfig
from eyechart.exam.processes import Processes, joined
from eyechart.exam.shards import write_answers
from eyechart.inside import BASE, STEPS, InsideConfig, Look, look_inside, remove_states, steps_of
from eyechart.inside.choice import template_of
from eyechart.runs import Run
from eyechart.study import StudyConfig, file_dataset, study_report
from eyechart.subjects.capabilities import Capability, require
from eyechart.subjects.early import refuse_early
from eyechart.subjects.loading import load_subject
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.options import LoadOptions
from eyechart.templates import load_templates

TUNED = "tuned"  # the arm of a subject that is held against another one
_AS_IT_IS = LoadOptions()
_AS_USUAL = ExamConfig()
_ALL = InsideConfig()


def exam_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    seed: int,
    exam: ExamConfig = _AS_USUAL,
    load: LoadOptions = _AS_IT_IS,
    say: Callable[[str], None] = print,
) -> Path:
    """Examine one subject as it is in a run folder; returns the report.

    Several processes (``torchrun``, ``accelerate launch``) share the exam; the first does the rest.

    Raises:
        EyechartError: no such subject or dataset, or the folder holds another run.
    """
    require(subject, Capability.VISUAL_TOKENS, Capability.STAGES)
    found, plan = _planned({BASE: subject}, dataset, seed, exam, load)
    with joined() as processes:
        run, subjects, told = _begun({BASE: subject}, found, out, plan, load, processes, say)
        _examined(run, subjects, found, seed, exam, processes, told)
    if processes.first:
        (run.arm(BASE) / "DONE").touch()
        study_report(run, told)
    return out / "report.html"


def inside_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    seed: int,
    settings: InsideConfig = _ALL,
    only: Sequence[str] = (),
    base: str | None = None,
    keep_states: bool = False,
    load: LoadOptions = _AS_IT_IS,
    say: Callable[[str], None] = print,
) -> Path:
    """Examine one subject as it is, and look inside, in a run folder; returns the report.

    An exam that ``exam_run`` left in the folder is not sat again. Several processes share the exam.

    Args:
        subject: its name.
        dataset: a dataset's folder.
        out: the run's folder.
        seed: of every random choice.
        settings: of the look.
        only: names of steps of the look; () makes all. The exam is left out if none of them needs it.
        base: the subject before tuning, examined and looked into as the arm ``base``; ``subject`` is then
            the arm ``tuned``.
        keep_states: leave the states in the run; else they are removed when every step is made.
        load: how the subjects are loaded.
        say: where progress is told.

    Raises:
        EyechartError: no such subject, dataset or step, or the folder holds another run.
    """
    arms = {BASE: subject} if base is None else {BASE: base, TUNED: subject}
    for name in arms.values():
        require(name, Capability.VISUAL_TOKENS, Capability.STAGES)
    files = steps_of(only)
    template_of(settings.template)
    found, plan = _planned(arms, dataset, seed, _AS_USUAL, load)
    with joined() as processes:
        run, subjects, told = _begun(arms, found, out, plan, load, processes, say)
        if any(STEPS[file].asks for file in files):
            _examined(run, subjects, found, seed, _AS_USUAL, processes, told)
    if processes.first:
        for arm, looked_into in subjects.items():
            load_base = None if arm == BASE else partial(_itself, subjects[BASE])
            with run.timer(f"{arm}: inside"):
                look_inside(Look.of(run, arm, looked_into, found, settings, seed, load_base, told), files)
        if not only:
            for arm in arms:
                (run.arm(arm) / "DONE").touch()
                if not keep_states:
                    remove_states(run, arm)
        study_report(run, told)
    return out / "report.html"


def _planned(
    arms: Mapping[str, str], dataset: Path, seed: int, exam: ExamConfig, load: LoadOptions
) -> tuple[Dataset, dict[str, Any]]:
    """Return the dataset, and the configuration that the run folder keeps."""
    found = load_dataset(dataset)
    wordings = {template.id: template.text for template in load_templates(exam.templates)}
    *before, subject = arms.values()
    plan = {"subject": subject, "load": asdict(load), "arms": list(arms), "seed": seed}
    plan |= {"dataset": {"hash": found.hash}, "exam": exam.model_dump(mode="json"), "wordings": wordings}
    return found, plan | ({"base": before[0]} if before else {})


def _begun(
    arms: Mapping[str, str],
    dataset: Dataset,
    out: Path,
    plan: dict[str, Any],
    load: LoadOptions,
    processes: Processes,
    say: Callable[[str], None],
) -> tuple[Run, dict[str, ModelSubject], Callable[[str], None]]:
    """Begin the run, or take it up; return it, its subjects by arm, and who is told of progress."""
    told = say if processes.first else _nothing
    with processes.together():
        if processes.first:
            for name in arms.values():
                refuse_early(name, load)
            file_dataset(Run.create(out, plan), dataset, plan["seed"], told)
    return Run.open(out), {arm: load_subject(name, load) for arm, name in arms.items()}, told


def _examined(
    run: Run,
    subjects: Mapping[str, ModelSubject],
    dataset: Dataset,
    seed: int,
    exam: ExamConfig,
    processes: Processes,
    say: Callable[[str], None],
) -> None:
    config = StudyConfig(arms=tuple(subjects), seed=seed, exam=exam)
    for arm, subject in subjects.items():
        with run.timer(f"{arm}: exam") if processes.first else nullcontext():
            examine_arm(run, arm, config, dataset, subject, processes=processes, say=say)


def _itself(subject: ModelSubject) -> ModelSubject:
    """Return a subject that is loaded already."""
    return subject


def _nothing(_: str) -> None:
    """Say nothing."""


def grade_run(
    answers: Path,
    dataset: Path,
    out: Path,
    *,
    partial: bool,
    seed: int,
    say: Callable[[str], None] = print,
) -> Path:
    """Grade answers that another system gave to the test images, in a run folder; returns the report.

    Raises:
        EyechartError: a line or an image is wrong (see :mod:`eyechart.exam.outside`), or the folder holds
            another run.
    """
    from eyechart.exam.outside import grade_answers, read_answers

    found = load_dataset(dataset)
    graded = grade_answers(
        read_answers(answers, found.labels), found.table("test"), found.labels, "base", partial=partial
    )
    digest = hashlib.sha256(answers.read_bytes()).hexdigest()
    plan = {"subject": answers.name, "answers": digest, "arms": ["base"], "seed": seed}
    run = Run.create(out, {**plan, "dataset": {"hash": found.hash}})
    file_dataset(run, found, seed, say)
    write_answers(run, "base", graded)
    (run.arm("base") / "DONE").touch()
    return study_report(run, say)
