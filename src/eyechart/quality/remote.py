"""Scores of an endpoint: what it writes, and, where it tells them, the likelihoods of its first token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from eyechart.errors import EyechartError
from eyechart.exam.answers import Row
from eyechart.exam.first_token import label_scores
from eyechart.exam.journal import Journal
from eyechart.exam.prompts import prompt_key
from eyechart.quality.levels import level_scores
from eyechart.quality.scorer import facts, scored
from eyechart.quality.spoken import spoken
from eyechart.quality.template import ScoringTemplate


def endpoint_scores(journal: Journal, templates: Sequence[ScoringTemplate], arm: str) -> pd.DataFrame:
    """Return an endpoint's answers as a table of scores (:data:`eyechart.quality.run.COLUMNS`).

    A text counts by the number or level that it says. Of a template of levels whose answer is a level alone,
    the likelihoods count instead where the first tokens tell every word in every answer: the words then count
    by their first token.

    Raises:
        EyechartError: no answer says a score.
    """
    by_id = {template.id: template for template in templates}
    rows: list[Row] = []
    for name, template in by_id.items():
        answered = [row for row in journal.rows if row["template"] == name]
        told = {"arm": arm, "prompt": prompt_key(template.text)} | facts(template)
        logp = _first_tokens(answered, template)
        rows += [told | row for row in _of_template(answered, template, logp)]
    found = pd.DataFrame(rows)
    if found.empty or found["score"].isna().all():
        raise EyechartError(
            "the endpoint said no score: none of its answers holds a number or level, and it tells no "
            "likelihoods of the level words",
            "try templates that ask for a number (--templates number-five), or a larger --max-tokens",
        )
    return found


def _of_template(answered: Sequence[Mapping[str, Any]], template: ScoringTemplate, logp: Any) -> list[Row]:
    values = None if logp is None else level_scores(logp, template)
    rows: list[Row] = []
    for i, row in enumerate(answered):
        said = spoken(row["text"], template)
        one = {"image_id": row["image_id"], "repeat": 0, "text": row["text"].strip()}
        if values is not None:
            chosen = scored(template, "score", float(values[i]))
            rows.append({**one, "readout": "levels", "logp_first": logp[i]} | chosen)
        rows.append(one | {"readout": "text"} | scored(template, said.status, said.value))
    return rows


def _first_tokens(answered: Sequence[Mapping[str, Any]], template: ScoringTemplate) -> Any:
    """Return the log-likelihood of each word's first token, [n, words]; None unless all are told."""
    if template.kind != "levels" or template.beginning or not answered:
        return None
    told = [label_scores(row["first"], template.words) for row in answered]
    whole = [one for one in told if one is not None]
    return np.stack(whole) if len(whole) == len(told) else None
