"""One bend of the river at a time: exam or inside of one subject on one dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from eyechart.arms import examine_arm, look_at
from eyechart.dataset import load_dataset
from eyechart.exam import ExamConfig
from eyechart.exam.processes import joined
from eyechart.exam.shards import write_answers
from eyechart.runs import Run
from eyechart.study import StudyConfig, file_dataset, study_report
from eyechart.subjects.capabilities import Capability, require
from eyechart.subjects.loading import load_subject
from eyechart.subjects.options import LoadOptions
from eyechart.templates import load_templates

_AS_IT_IS = LoadOptions()
_AS_USUAL = ExamConfig()


def exam_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    seed: int,
    inside: bool,
    exam: ExamConfig = _AS_USUAL,
    load: LoadOptions = _AS_IT_IS,
    say: Callable[[str], None] = print,
) -> Path:
    """Examine one subject as it is (and look inside) in a run folder; returns the report.

    Several processes (``torchrun``, ``accelerate launch``) share the exam; the first does the rest.

    Raises:
        EyechartError: no such subject or dataset, or the folder holds another run.
    """
    require(subject, Capability.VISUAL_TOKENS, Capability.STAGES)
    found = load_dataset(dataset)
    wordings = {template.id: template.text for template in load_templates(exam.templates)}
    config = StudyConfig(subject=subject, load=load, arms=("base",), seed=seed, exam=exam)
    plan = {"subject": subject, "load": asdict(load), "arms": ["base"], "seed": seed}
    plan |= {"dataset": {"hash": found.hash}, "exam": exam.model_dump(mode="json"), "wordings": wordings}
    with joined() as processes:
        told = say if processes.first else _nothing
        with processes.together():
            if processes.first:
                file_dataset(Run.create(out, plan), found, seed, told)
        run, examined = Run.open(out), load_subject(subject, load)
        with run.timer("base: exam") if processes.first else nullcontext():
            examine_arm(run, "base", config, found, examined, processes=processes, say=told)
    if processes.first:
        if inside:
            with run.timer("base: inside"):
                look_at(run, "base", config, found, examined)
        (run.arm("base") / "DONE").touch()
        study_report(run, told)
    return out / "report.html"


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
