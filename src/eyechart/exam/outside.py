"""Answers that another system gave, brought into the form of an exam's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eyechart.errors import EyechartError
from eyechart.exam.prompts import prompt_key
from eyechart.exam.shards import IMAGE_COLUMNS
from eyechart.templates import Question, load_lexicon, parse

SCORE = "logp_"  # a csv's column logp_blur holds the log-likelihood of the label blur
_SHOWN = 3


def read_answers(path: Path, labels: Sequence[str]) -> pd.DataFrame:
    """Read answers: a csv with a header, or one JSON object a line.

    A csv needs the columns ``image_id`` and ``text``; ``template`` and, for every label, ``logp_<label>`` may
    be added. In JSON the keys are the same, with ``scores`` (an object, label: log-likelihood) for the last.

    Returns:
        Columns image_id, text, template, scores (float64 array in the order of ``labels``, or None).

    Raises:
        EyechartError: the file cannot be read, lacks a column, or a line is wrong; the line is named.
    """
    readers = {".csv": _csv, ".jsonl": _jsonl}
    if path.suffix.lower() not in readers:
        raise EyechartError(f"{path.name} is neither csv nor jsonl", "give one of both, named so")
    try:
        rows = list(readers[path.suffix.lower()](path, labels))
    except (OSError, UnicodeDecodeError) as error:
        raise EyechartError(f"{path} cannot be read: {error}", "give a file in UTF-8") from error
    if not rows:
        raise EyechartError(f"{path} holds no answer", "give one line an image")
    return pd.DataFrame(rows, columns=["image_id", "text", "template", "scores"])


def grade_answers(
    found: pd.DataFrame,
    table: pd.DataFrame,
    labels: Sequence[str],
    arm: str,
    *,
    partial: bool = False,
    asked: Mapping[str, Question] | None = None,
) -> pd.DataFrame:
    """Return answers from elsewhere as an answers table (see :mod:`eyechart.exam.shards`).

    Texts are parsed as an exam's own; where scores are given the most likely label is the chosen one.

    Args:
        found: what :func:`read_answers` returned.
        table: the images' rows of the dataset.
        labels: the candidates.
        arm: what the answers are filed under.
        partial: images without an answer are left out, instead of being an error.
        asked: the question behind each template's id, where it is known.

    Raises:
        EyechartError: an unknown image, two answers to one question, or images without an answer.
    """
    _complete(found, table, partial=partial)
    lexicon, known = load_lexicon(), asked or {}
    images = table[IMAGE_COLUMNS].set_index("image_id")
    base = found[["image_id", "template"]].join(images, on="image_id").reset_index(drop=True)
    base = base[[*IMAGE_COLUMNS, "template"]].assign(arm=arm, order=0, repeat=0)
    told_of = {name: _told(known.get(name)) for name in set(found["template"])}
    base = base.join(pd.DataFrame([told_of[name] for name in found["template"]]))
    asked_of = [known.get(name) for name in found["template"]]
    parsed = [
        parse(text, labels, lexicon, question) for text, question in zip(found["text"], asked_of, strict=True)
    ]
    told = [p.labels[0] if p.status == "label" else None for p in parsed]
    parts = [
        base.assign(
            readout="generate",
            text=[text.strip() for text in found["text"]],
            status=[p.status for p in parsed],
            predicted=pd.Series(told, dtype=object),
        )
    ]
    scored = found["scores"].notna().to_numpy()
    if scored.any():
        scores = found["scores"][scored].tolist()
        chosen = [labels[int(np.argmax(row))] for row in scores]
        parts.append(
            base[scored]
            .reset_index(drop=True)
            .assign(readout="choose", text="", status="label", predicted=chosen, logp=scores)
        )
    answers = pd.concat(parts, ignore_index=True)
    return answers.assign(correct=(answers["predicted"] == answers["label"]).fillna(False).astype(bool))


def _told(question: Question | None) -> dict[str, str]:
    """Return what is known of a wording."""
    if question is None:
        # Nobody here trained on it; "train" is the kind that the report's main numbers are of.
        return {"template_split": "train", "kind": "outside", "language": "", "prompt": ""}
    template = question.template
    of_template = {"template_split": template.split, "kind": template.kind, "language": template.language}
    return of_template | {"prompt": prompt_key(question.text)}


def _csv(path: Path, labels: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    import csv

    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.DictReader(stream)
        lacking = {"image_id", "text"} - set(lines.fieldnames or ())
        if lacking:
            raise EyechartError(
                f"{path.name} lacks the column {', '.join(sorted(lacking))}",
                "its first line must name the columns image_id and text",
            )
        for line in lines:
            where = f"line {lines.line_num} of {path.name}"
            _whole(line, lines.fieldnames or (), where)
            scores = {
                name.removeprefix(SCORE): value
                for name, value in line.items()
                if name.startswith(SCORE) and value
            }
            yield _row(line, scores or None, labels, where)


def _whole(line: Mapping[str | None, Any], header: Sequence[str], where: str) -> None:
    """Raise an EyechartError unless a line of a csv has as many fields as its header."""
    if None in line:  # where DictReader puts what is left over
        raise EyechartError(
            f"{where} has {len(header) + len(line[None])} fields, its header {len(header)}",
            'put a text that holds a comma in quotation marks ("no noise, I see blur"), or give a jsonl',
        )
    if lacking := [name for name in header if line[name] is None]:
        raise EyechartError(
            f"{where} has {len(header) - len(lacking)} fields, its header {len(header)}: it lacks "
            f"{', '.join(lacking)}",
            "write every field, an empty one as nothing between its commas, or give a jsonl",
        )


def _jsonl(path: Path, labels: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        where = f"line {number} of {path.name}"
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise EyechartError(f"{where} is no JSON: {error}", "write one object a line") from error
        if not isinstance(found, dict) or "image_id" not in found or "text" not in found:
            raise EyechartError(f"{where} lacks image_id or text", 'e.g. {"image_id": "...", "text": "blur"}')
        yield _row(found, found.get("scores"), labels, where)


def _row(line: dict[str, Any], scores: Any, labels: Sequence[str], where: str) -> tuple[Any, ...]:
    text = line["text"]
    if not isinstance(text, str) or not isinstance(line["image_id"], str):
        raise EyechartError(f"{where}: image_id and text must be strings", "an empty text is an empty answer")
    return line["image_id"], text, line.get("template") or "outside", _scores(scores, labels, where)


def _scores(scores: Any, labels: Sequence[str], where: str) -> Any:
    if scores is None:
        return None
    if not isinstance(scores, dict) or set(scores) != set(labels):
        raise EyechartError(f"{where}: scores must name every label once", f"labels: {', '.join(labels)}")
    try:
        values = np.array([float(scores[label]) for label in labels])
    except (TypeError, ValueError) as error:
        raise EyechartError(f"{where}: a score is no number", "give log-likelihoods") from error
    if not np.isfinite(values).all():
        raise EyechartError(f"{where}: a score is not finite", "give log-likelihoods")
    return values


def _complete(found: pd.DataFrame, table: pd.DataFrame, *, partial: bool) -> None:
    known = set(table["image_id"])
    unknown = [name for name in dict.fromkeys(found["image_id"]) if name not in known]
    if unknown:
        raise EyechartError(
            f"{len(unknown)} images are not in the dataset's test split: {_few(unknown)}",
            "the ids are those of the dataset's column image_id",
        )
    twice = found.loc[found.duplicated(["image_id", "template"]), "image_id"].tolist()
    if twice:
        raise EyechartError(
            f"{len(twice)} questions have two answers: {_few(twice)}",
            "name each image once for each template",
        )
    for template, rows in found.groupby("template"):
        missing = [name for name in table["image_id"] if name not in set(rows["image_id"])]
        if missing and not partial:
            raise EyechartError(
                f"{len(missing)} of {len(table)} images have no answer to {template}: {_few(missing)}",
                "answer all (an empty text counts as wrong), or say --partial to grade what is there",
            )


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}"
