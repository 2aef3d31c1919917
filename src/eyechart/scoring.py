"""Quality scores of one subject on one dataset, from its name to the report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from eyechart.dataset import Dataset, load_dataset
from eyechart.errors import EyechartError
from eyechart.exam.journal import opened
from eyechart.exam.processes import joined
from eyechart.exam.prompts import PromptRow, prompt_key, write_prompts
from eyechart.exam.remote import Asked, ask_endpoint
from eyechart.exam.shards import finished, folder_of, write_shard
from eyechart.quality.config import ScoreConfig
from eyechart.quality.pictures import load_pictures, scored_pictures
from eyechart.quality.remote import endpoint_scores
from eyechart.quality.run import COLUMNS, KIND, keep_settings, keep_targets, score
from eyechart.quality.template import load_scoring
from eyechart.runs import Run, flatten
from eyechart.study import study_report
from eyechart.subjects.address import read_address, read_key
from eyechart.subjects.capabilities import Capability, require
from eyechart.subjects.early import refuse_early
from eyechart.subjects.endpoint import MEASURED, Endpoint, EndpointConfig
from eyechart.subjects.loading import load_subject
from eyechart.subjects.options import LoadOptions

ARM = "base"
_AS_IT_IS, _AS_USUAL, _AS_SENT = LoadOptions(), ScoreConfig(), EndpointConfig()


def score_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    seed: int,
    config: ScoreConfig = _AS_USUAL,
    load: LoadOptions = _AS_IT_IS,
    say: Callable[[str], None] = print,
) -> Path:
    """Score the pictures of a dataset by one open model in a run folder; returns the report.

    The folder of an exam of the same subject, dataset and seed may be named: the scores are added to it, and
    the report tells where they contradict the distortions that the exam's answers name. Several processes
    (``torchrun``, ``accelerate launch``) share the work.

    Raises:
        EyechartError: no such subject or dataset, or the folder holds another run.
    """
    require(subject, Capability.PROMPT, Capability.CHOOSE)
    found = load_dataset(dataset)
    plan = {"subject": subject, "load": asdict(load), "arms": [ARM], "seed": seed}
    with joined() as processes:
        with processes.together():
            if processes.first:
                refuse_early(subject, load)
                _run_of(out, plan | {"dataset": {"hash": found.hash}}, found)
        run, examined = Run.open(out), load_subject(subject, load)
        told = say if processes.first else _nothing
        with run.timer(f"{ARM}: scores") if processes.first else nullcontext():
            score(run, ARM, examined, found, config, seed=seed, processes=processes, say=told)
    if processes.first:
        _finish(run)
        study_report(run, told)
    return out / "report.html"


def endpoint_score_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    seed: int,
    config: ScoreConfig = _AS_USUAL,
    endpoint: EndpointConfig = _AS_SENT,
    key_env: str | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Score the pictures of a dataset by a model behind an endpoint; returns the report.

    Numbers and levels that it writes count; likelihoods of level words where it tells them. Answers lie in
    ``arms/base/scores.jsonl`` as they came, and a run that stopped asks only what is missing.

    Args:
        subject: the endpoint's address and model, ``http://localhost:8000/v1#MODEL``.
        dataset: the dataset's folder.
        out: the run's folder.
        seed: the run's seed, also sent to the endpoint.
        config: which templates and how many images; the other settings are for open models.
        endpoint: how it is asked.
        key_env: the environment variable that holds the key; None is OPENAI_API_KEY, which may be absent.
        say: where progress is told.

    Raises:
        EyechartError: no such endpoint or dataset, no score in any answer, or the folder holds another run.
    """
    asked = Endpoint(read_address(subject), read_key(key_env), endpoint, seed)
    found, templates = load_dataset(dataset), load_scoring(config.templates)
    table = scored_pictures(found, config.images, seed)
    plan = {"subject": subject, "arms": [ARM], "seed": seed, "dataset": {"hash": found.hash}}
    run = _run_of(out, plan | {"endpoint": endpoint.model_dump(include=set(MEASURED))}, found)
    keep_settings(run, config, [template.model_dump(mode="json") for template in templates])
    keep_targets(run, found, table)
    every = [Asked(name, one.id, one.text) for name in table["image_id"] for one in templates]
    images = dict(zip(table["image_id"], load_pictures(found, table), strict=True))
    with run.timer(f"{ARM}: scores"), opened(run.arm(ARM) / "scores.jsonl") as journal:
        say(f"{len(every)} questions, {len(journal.rows)} of them answered before")
        aside = ask_endpoint(asked, every, images, journal)
    scores = endpoint_scores(journal, templates, ARM)
    write_shard(run.path / folder_of(ARM, KIND) / "00000.parquet", scores, COLUMNS)
    prompts = [PromptRow(prompt_key(one.text), one.id, 0, None, one.text) for one in templates]
    write_prompts(run, ARM, prompts, "score_prompts")
    every_aside = pd.concat([run.read_table("set_aside.csv"), aside]).drop_duplicates()
    run.write_table(every_aside, "set_aside.csv")
    _finish(run)
    return study_report(run, say)


def _run_of(out: Path, plan: Mapping[str, Any], dataset: Dataset) -> Run:
    """Start a run for scores, or take up one of the same subject and dataset, whatever else it holds.

    Raises:
        EyechartError: the folder holds a run of something else.
    """
    if not (out / "config.yaml").is_file():
        run = Run.create(out, plan)
    else:
        run = Run.open(out)
        before, now = flatten(run.config), flatten(plan)
        other = [key for key in now if before.get(key) != now[key]]
        if other:
            told = ", ".join(f"{key} ({before.get(key, 'absent')} -> {now[key]})" for key in other)
            raise EyechartError(
                f"{out} holds a run of something else: {told}",
                "name another folder, or the run of the same subject, dataset and seed",
            )
    for name in ("dataset.json", "set_aside.csv"):
        if not run.has(name):
            shutil.copyfile(dataset.path / name, run.path / name)
    return run


def _finish(run: Run) -> None:
    """Mark the arm as finished; whether an exam in the same run is, only the exam says."""
    if not finished(run, ARM):
        (run.arm(ARM) / "DONE").touch()


def _nothing(_: str) -> None:
    """Say nothing."""
