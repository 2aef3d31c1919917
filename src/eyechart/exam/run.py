"""The exam of one subject on a whole dataset: block by block, each stored and forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from eyechart.dataset import Dataset
from eyechart.exam.alone import asked_alone
from eyechart.exam.blocks import blocks
from eyechart.exam.config import ExamConfig
from eyechart.exam.content_free import colour_of, keep_colour
from eyechart.exam.engine import Scheme
from eyechart.exam.examiner import Examiner
from eyechart.exam.items import prompt_rows
from eyechart.exam.processes import Processes
from eyechart.exam.prompts import write_prompts
from eyechart.exam.schemes import check_schemes
from eyechart.exam.shards import IMAGE_COLUMNS, column, finished, remove_unfinished, write_answers
from eyechart.exam.walk import steps, walk
from eyechart.plan.exam import took
from eyechart.plan.run import beside_plan, plan_exam
from eyechart.runs import Run, peak_rss_mib
from eyechart.subjects.model import ModelSubject

SPLIT = "test"


def examine(
    run: Run,
    arm: str,
    subject: ModelSubject,
    dataset: Dataset,
    config: ExamConfig,
    *,
    seed: int,
    processes: Processes,
    say: Callable[[str], None],
) -> None:
    """Ask a subject about every test image; what the run has answered before is not asked again.

    Files ``arms/ARM/answers`` (see :mod:`eyechart.exam.shards`), ``arms/ARM/prompts.parquet``,
    ``arms/ARM/plan.json`` (before) and ``arms/ARM/exam.json`` (after). Memory does not grow with the number
    of images, but for their rows of the dataset.

    Args:
        run: the run's folder.
        arm: what the answers are filed under.
        subject: the model.
        dataset: the dataset.
        config: settings.
        seed: the run's seed.
        processes: who shares the work.
        say: where progress is told.

    Raises:
        EyechartError: an image is damaged, the disk is full, or another process failed.
    """
    with processes.together():
        if processes.first:
            remove_unfinished(run, arm)
            keep_colour(run, dataset)
    table = dataset.table(SPLIT)[[*IMAGE_COLUMNS, "height", "width"]]
    with processes.together():  # who writes which shard is settled before any is written
        before = finished(run, arm)
        examiner = Examiner(subject, arm, dataset.labels, config, colour_of(run), seed)
        if processes.first:
            write_prompts(run, arm, prompt_rows(examiner.items))
            _keep_engine(run, arm, subject, dataset, table, examiner)
            plan_exam(run, arm, subject, dataset, config, engine_of(run, arm))
    examiner.scheme = engine_of(run, arm)
    cut = blocks(len(table), config.block)
    waiting = [number for number in range(len(cut)) if number not in before]
    if before:
        say(f"{arm}: {len(before)} of {len(cut)} blocks of images were answered before")
    with processes.together():
        wanted = steps(table, cut, waiting[processes.number :: processes.count], config.batch)
        with subject.asking():
            walk(
                *(examiner, table, lambda rows: dataset.images(SPLIT, rows["image_id"]), wanted),
                partial(write_answers, run, arm),
                f"{arm}: exam" if processes.first else "",
            )
    peaks = processes.gather((peak_rss_mib(), _peak_gpu_mib()))
    if processes.first:
        with subject.asking():
            alone = asked_alone(run, arm, examiner, table, partial(dataset.images, SPLIT))
        told = _took(run, arm, len(table), examiner, peaks) | {"alone": alone}
        run.write_json(told, f"arms/{arm}/exam.json")
        say(beside_plan(run, f"arms/{arm}/plan.json", took(run, arm)))


def engine_of(run: Run, arm: str) -> Scheme:
    """Return how an arm is asked, settled when its exam began (see :mod:`eyechart.exam.schemes`)."""
    scheme: Scheme = run.read_json(f"arms/{arm}/exam.json")["engine"]["scheme"]
    return scheme


def _keep_engine(
    run: Run, arm: str, subject: ModelSubject, dataset: Dataset, table: pd.DataFrame, examiner: Examiner
) -> None:
    """Settle how the subject is asked, on the first image."""
    if not run.has(f"arms/{arm}/exam.json"):
        (image,) = dataset.images(SPLIT, table["image_id"].iloc[:1])
        checked = check_schemes(subject, image, examiner.asks((image.shape[0], image.shape[1])))
        run.write_json({"engine": asdict(checked)}, f"arms/{arm}/exam.json")


def _took(
    run: Run, arm: str, images: int, examiner: Examiner, peaks: Sequence[tuple[float | None, float | None]]
) -> dict[str, Any]:
    """Return what an exam took.

    Seconds are the computing time of all processes together, also of such as were stopped; images per second
    are those of one process.
    """
    seconds = float(sum(part.sum() for part in column(run, arm, "seconds")))
    return {
        "engine": run.read_json(f"arms/{arm}/exam.json")["engine"],
        "images": images,
        "questions": sum(len(item.questions) for item in examiner.items),
        "seconds": seconds,
        "images_per_second": images / seconds,
        "processes": len(peaks),
        "peak_rss_mib": [memory for memory, _ in peaks],
        "peak_gpu_mib": [memory for _, memory in peaks],
    }


def _peak_gpu_mib() -> float | None:
    """Return the most memory that this process has held on its GPU, or None without one."""
    import torch

    return round(torch.cuda.max_memory_allocated() / 2**20, 1) if torch.cuda.is_available() else None
