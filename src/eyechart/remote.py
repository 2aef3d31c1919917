"""The exam of a model behind an endpoint, from its address to the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from eyechart.dataset import Dataset, load_dataset
from eyechart.exam.account import account, summary
from eyechart.exam.journal import opened
from eyechart.exam.prompts import PromptRow, prompt_key, write_prompts
from eyechart.exam.remote import ask_endpoint, every_question, graded, questions_of
from eyechart.exam.shards import write_answers
from eyechart.runs import Run
from eyechart.study import file_dataset, study_report
from eyechart.subjects.address import read_address, read_key
from eyechart.subjects.endpoint import MEASURED, Endpoint, EndpointConfig
from eyechart.templates import Question, load_templates

ARM = "base"


def endpoint_run(
    subject: str,
    dataset: Path,
    out: Path,
    *,
    config: EndpointConfig,
    seed: int,
    templates: Sequence[str] = ("exam",),
    key_env: str | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Examine a model behind an endpoint in a run folder; returns the report.

    Answers lie in ``arms/base/answers.jsonl`` as they came. A run that stopped asks only what is missing.

    Args:
        subject: the endpoint's address and model, ``http://localhost:8000/v1#MODEL``.
        dataset: the dataset's folder.
        out: the run's folder.
        config: settings.
        seed: the run's seed, also sent to the endpoint.
        templates: sets, ids or files of templates.
        key_env: the environment variable that holds the key; None is OPENAI_API_KEY, which may be absent.
            The key is sent, and written nowhere.
        say: where progress is told.

    Raises:
        EyechartError: no such endpoint, model or dataset, no answers, or the folder holds another run.
    """
    where, key = read_address(subject), read_key(key_env)
    endpoint = Endpoint(where, key, config, seed)
    found = load_dataset(dataset)
    asked = questions_of(load_templates(templates), found.labels)
    plan = {"subject": subject, "arms": [ARM], "seed": seed, "dataset": {"hash": found.hash}}
    wordings = {template: question.text for template, question in asked.items()}
    settings = config.model_dump(include=set(MEASURED))
    run = Run.create(out, {**plan, "endpoint": settings, "questions": wordings})
    file_dataset(run, found, seed, say)
    say(f"endpoint: {where.url}, {'with the key of the environment' if key else 'without a key'}")
    with run.timer(f"{ARM}: exam"):
        told = _examine(run, endpoint, found, asked, say)
    for line in told:
        say(line)
    return study_report(run, say)


def _examine(
    run: Run, endpoint: Endpoint, found: Dataset, asked: Mapping[str, Question], say: Callable[[str], None]
) -> list[str]:
    """Ask what is missing and file answers, what was set aside and the account; returns its sentences."""
    table = found.table("test")
    names = table["image_id"].tolist()
    whole = every_question(names, asked)
    images = dict(zip(names, found.images("test"), strict=True))
    with opened(run.arm(ARM) / "answers.jsonl") as journal:
        say(f"{len(whole)} questions, {len(journal.rows)} of them answered before")
        aside = ask_endpoint(endpoint, whole, images, journal)
    answers = graded(journal, table, found.labels, asked, ARM)
    told = account(journal, endpoint, aside=len(aside), choices="choose" in set(answers["readout"]))
    write_answers(run, ARM, answers)
    prompts = [PromptRow(prompt_key(one.text), name, 0, None, one.text) for name, one in asked.items()]
    write_prompts(run, ARM, prompts)
    run.write_table(pd.concat([run.read_table("set_aside.csv"), aside]), "set_aside.csv")
    run.write_json(told, f"arms/{ARM}/endpoint.json")
    (run.arm(ARM) / "DONE").touch()
    return summary(told)
