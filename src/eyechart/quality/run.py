"""Score a dataset's pictures, block by block; what is scored is not asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import pandas as pd

from eyechart.dataset import Dataset
from eyechart.errors import EyechartError
from eyechart.exam.blocks import blocks
from eyechart.exam.processes import Processes
from eyechart.exam.prompts import write_prompts
from eyechart.exam.schemes import check_schemes
from eyechart.exam.shards import column, finished, folder_of, remove_unfinished, write_shard
from eyechart.exam.walk import steps, walk
from eyechart.quality.config import ScoreConfig
from eyechart.quality.pictures import load_pictures, scored_pictures, targets
from eyechart.quality.scorer import Scorer
from eyechart.quality.template import load_scoring
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject

KIND, TARGETS, FILE = "scores", "targets.parquet", "score.json"
COLUMNS = {
    **dict.fromkeys(("image_id", "arm", "template", "template_split", "kind", "language"), "string"),
    **{"readout": "string", "repeat": "int64", "prompt": "string", "text": "string", "status": "string"},
    **{"score": "float64", "value": "float64", "logp": "list", "logp_first": "list"},
    **{"entropy": "float64", "seed": "uint64", "seconds": "float64"},
}
"""Of the table of scores: ``score`` is 0 (worst) to 1 (best), ``value`` the same on the template's scale."""


def score(
    run: Run,
    arm: str,
    subject: ModelSubject,
    dataset: Dataset,
    config: ScoreConfig,
    *,
    seed: int,
    processes: Processes,
    say: Callable[[str], None],
) -> None:
    """Ask a subject for the score of every picture that is wanted; what the run has is not asked again.

    Files ``score.json`` and ``targets.parquet`` in the run, and in ``arms/ARM`` the shards ``scores``,
    ``score_prompts.parquet`` and ``scores.json``.

    Args:
        run: the run's folder.
        arm: what the scores are filed under.
        subject: the model.
        dataset: the dataset.
        config: settings.
        seed: the run's seed.
        processes: who shares the work.
        say: where progress is told.

    Raises:
        EyechartError: the run holds scores by other settings, an image is damaged, the disk is full, or
            another process failed.
    """
    templates = load_scoring(config.templates)
    table = scored_pictures(dataset, config.images, seed)
    scorer = Scorer(subject, arm, templates, config, seed)
    with processes.together():
        if processes.first:
            keep_settings(run, config, [template.model_dump(mode="json") for template in templates])
            remove_unfinished(run, arm, KIND)
            keep_targets(run, dataset, table)
            write_prompts(run, arm, scorer.prompts(), "score_prompts")
            _keep_engine(run, arm, subject, load_pictures(dataset, table.iloc[:1])[0], scorer)
    with processes.together():  # who writes which shard is settled before any is written
        before = finished(run, arm, KIND)
    scorer.scheme = run.read_json(f"arms/{arm}/scores.json")["engine"]["scheme"]
    cut = blocks(len(table), config.block)
    waiting = [number for number in range(len(cut)) if number not in before]
    if before:
        say(f"{arm}: {len(before)} of {len(cut)} blocks of images were scored before")
    with processes.together():
        mine = steps(table, cut, waiting[processes.number :: processes.count], config.batch)
        with subject.asking():
            walk(
                *(scorer, table, partial(load_pictures, dataset), mine),
                partial(_write, run, arm),
                f"{arm}: scores" if processes.first else "",
            )
    processes.gather(None)
    if processes.first:
        seconds = float(sum(part.sum() for part in column(run, arm, "seconds", KIND)))
        took = {"images": len(table), "questions": len(templates), "seconds": seconds}
        run.write_json(run.read_json(f"arms/{arm}/scores.json") | took, f"arms/{arm}/scores.json")


def keep_settings(run: Run, config: ScoreConfig, templates: list[dict[str, Any]]) -> None:
    """File how the run is scored; a run is scored in one way.

    Raises:
        EyechartError: it was begun in another.
    """
    asked = {"config": config.model_dump(mode="json"), "templates": templates}
    if not run.has(FILE):
        run.write_json(asked, FILE)
    elif run.read_json(FILE) != asked:
        raise EyechartError(
            f"{run.path} holds scores by other settings or other wordings",
            "use the same settings to resume, or name another folder with --out",
        )


def keep_targets(run: Run, dataset: Dataset, table: pd.DataFrame) -> None:
    """File what each picture should get (:func:`eyechart.quality.pictures.targets`)."""
    if not run.has(TARGETS):
        run.write_table(targets(dataset, table), TARGETS)


def _write(run: Run, arm: str, table: pd.DataFrame, number: int) -> None:
    write_shard(run.path / folder_of(arm, KIND) / f"{number:05d}.parquet", table, COLUMNS)


def _keep_engine(run: Run, arm: str, subject: ModelSubject, image: Any, scorer: Scorer) -> None:
    """Settle how the subject is asked, on the first image."""
    if not run.has(f"arms/{arm}/scores.json"):
        checked = check_schemes(subject, image, scorer.asks((image.shape[0], image.shape[1])))
        run.write_json({"engine": asdict(checked)}, f"arms/{arm}/scores.json")
