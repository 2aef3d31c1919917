"""The exam of an endpoint: ask what is not answered yet, several questions at a time, and grade it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from eyechart.errors import EyechartError
from eyechart.exam.first_token import label_scores
from eyechart.exam.journal import Journal
from eyechart.exam.outside import grade_answers
from eyechart.progress import track
from eyechart.subjects.endpoint import Endpoint
from eyechart.subjects.model import Pixels
from eyechart.subjects.reply import NoAnswerError
from eyechart.templates import Question, Template, questions


class Asked(NamedTuple):
    """One question asked about one image."""

    image_id: str
    template: str
    text: str


def questions_of(templates: Sequence[Template], labels: Sequence[str]) -> dict[str, Question]:
    """Return what an endpoint is asked, by the id of the template.

    Raises:
        EyechartError: a template asks about one label at a time, which is read from likelihoods alone.
    """
    for template in templates:
        if template.kind == "yes-no":
            raise EyechartError(
                f"template {template.id} is read from likelihoods, which an endpoint does not tell",
                "leave out templates of the kind yes-no",
            )
    return {question.template.id: question for question in questions(templates, labels)}


def every_question(image_ids: Sequence[str], asked: Mapping[str, Question]) -> list[Asked]:
    """Return every question about every image, all of an image together."""
    return [Asked(name, template, one.text) for name in image_ids for template, one in asked.items()]


def ask_endpoint(
    endpoint: Endpoint, asked: Sequence[Asked], images: Mapping[str, Pixels], journal: Journal
) -> pd.DataFrame:
    """Ask the questions that the journal does not answer; answers are added to it as they come.

    Returns:
        The questions without an answer: item, reason.

    Raises:
        EyechartError: the endpoint refuses every question, or too many in a row. What is answered is kept.
    """
    known = journal.asked()
    waiting = [one for one in asked if (one.image_id, one.template) not in known]
    if not waiting:
        return pd.DataFrame(columns=["item", "reason"])
    aside = asyncio.run(_ask(endpoint, waiting, images, journal))
    if not journal.rows:
        raise EyechartError(
            f"none of {len(waiting)} questions was answered; the last: {aside[-1][1]}",
            "mend this, then run the same command again",
        )
    return pd.DataFrame(aside, columns=["item", "reason"])


async def _ask(
    endpoint: Endpoint, waiting: Sequence[Asked], images: Mapping[str, Pixels], journal: Journal
) -> list[tuple[str, str]]:
    """Ask at most ``concurrency`` questions at a time; returns those without an answer, with the reason."""
    places = asyncio.Semaphore(endpoint.config.concurrency)
    aside: list[tuple[str, str]] = []

    async def one(question: Asked) -> NoAnswerError | None:
        async with places:
            try:
                answer = await endpoint.ask(images[question.image_id], question.text)
            except NoAnswerError as error:
                aside.append((f"{question.image_id}, asked {question.template}", str(error)))
                return error
            journal.add(question.image_id, question.template, answer)
            return None

    async with endpoint.client:
        tasks = [asyncio.create_task(one(question)) for question in waiting]
        try:
            await _watch(tasks, endpoint.config.give_up_after)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return aside


async def _watch(tasks: list[asyncio.Task[NoAnswerError | None]], give_up_after: int) -> None:
    """Wait for the tasks behind a progress bar; give up when the endpoint has failed often in a row."""
    silent = 0
    for done in track(asyncio.as_completed(tasks), "asking the endpoint", total=len(tasks)):
        error = await done
        if error is None:
            silent = 0
        elif error.silent:
            silent += 1
        if silent >= give_up_after:
            raise EyechartError(
                f"the endpoint left {silent} questions in a row unanswered; the last: {error}",
                "mend this, then run the same command again: it asks only what is missing",
            )


def graded(
    journal: Journal, table: pd.DataFrame, labels: Sequence[str], asked: Mapping[str, Question], arm: str
) -> pd.DataFrame:
    """Return the answers table (see :mod:`eyechart.exam.shards`).

    It has choices only if the first tokens tell every label in every answer. Where some answers lack them,
    the others are those of which the endpoint was least sure, and no fair sample of the exam. The ``logp`` of
    a choice is of the first token, not of the whole candidate.
    """
    place = {name: i for i, name in enumerate(table["image_id"])}
    order = list(asked)
    rows = sorted(journal.rows, key=lambda row: (order.index(row["template"]), place[row["image_id"]]))
    found = pd.DataFrame([{name: row[name] for name in ("image_id", "template", "text")} for row in rows])
    scores = [label_scores(row["first"], asked[row["template"]].candidates) for row in rows]
    whole = all(told is not None for told in scores)
    found["scores"] = pd.Series(scores if whole else [None] * len(rows), dtype=object)
    return grade_answers(found, table, labels, arm, partial=True, asked=asked)
