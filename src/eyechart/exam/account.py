"""What the exam of an endpoint took, and what a reader of its numbers should know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eyechart.exam.journal import Journal
from eyechart.subjects.endpoint import Endpoint


def account(journal: Journal, endpoint: Endpoint, *, aside: int, choices: bool) -> dict[str, Any]:
    """Return what the exam took, of all answers that arrived: counts, tokens, cost, what was refused.

    ``tokens_in``, ``tokens_out`` and ``cost`` are None where any answer came without a count; a cost also
    where no price was given. An attempt that brought no answer may have cost something too.
    """
    rows, config = journal.rows, endpoint.config
    tokens_in, tokens_out = (_sum([row[name] for row in rows]) for name in ("tokens_in", "tokens_out"))
    costs = [_cost(tokens_in, config.price_in), _cost(tokens_out, config.price_out)]
    return {
        "model": endpoint.model,
        "models_told": sorted({row["model"] for row in rows if row["model"]}),
        "answered": len(rows),
        "set_aside": aside,
        "cut": sum(row["cut"] for row in rows),
        "empty": sum(not row["text"].strip() for row in rows),
        "with_first_tokens": sum(row["first"] is not None for row in rows),
        "choices": choices,
        "settings_refused": sorted({name for row in rows for name in row["without"]}),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "cost": None if None in costs else sum(cost for cost in costs if cost is not None),
        "config": config.model_dump(),
    }


def _sum(counts: list[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if len(told) == len(counts) else None


def _cost(tokens: int | None, price: float | None) -> float | None:
    return None if tokens is None or price is None else tokens * price / 1e6


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return an account in sentences, with all that a reader of the numbers should know."""
    lines = [f"{found['answered']} questions answered, {found['set_aside']} set aside (set_aside.csv)"]
    if found["tokens_in"] is None or found["tokens_out"] is None:
        lines.append("tokens: not told by the endpoint")
    else:
        cost = "" if found["cost"] is None else f"; cost {found['cost']:.4f}"
        lines.append(f"tokens: {found['tokens_in']:,} in, {found['tokens_out']:,} out{cost}")
    if found["cut"]:
        lines.append(f"{found['cut']} answers were cut off at --max-tokens {found['config']['max_tokens']}")
    if found["settings_refused"]:
        refused = ", ".join(found["settings_refused"])
        lines.append(f"the endpoint refuses {refused}: it was asked without, and may answer otherwise again")
    if found["choices"]:
        lines.append("choices are by the log-probability of each label's first token, not of the whole label")
    elif found["with_first_tokens"]:
        lines.append("no choices: the likeliest first tokens do not tell every label; the text counts")
    else:
        lines.append("no choices: the endpoint tells no log-probabilities; the text counts")
    return lines
