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
    """Return an account in lines for a terminal."""
    return [f"{name}: {told}" for name, told in facts(found).items()]


def facts(found: Mapping[str, Any]) -> dict[str, str]:
    """Return an account in words, with all that a reader of the numbers should know."""
    settings = found["config"]
    return {
        "model": _model(found["model"], found["models_told"]),
        "questions": f"{found['answered']:,} answered, {found['set_aside']:,} set aside",
        "answers": f"{found['cut']:,} cut off at {settings['max_tokens']:,} tokens, {found['empty']:,} empty",
        "choices": _choices(found),
        "settings refused": _refused(found["settings_refused"]),
        "tokens": _tokens(found["tokens_in"], found["tokens_out"]),
        "cost": _price(found["cost"], settings["price_in"], settings["price_out"]),
    }


def _model(asked: str, told: list[str]) -> str:
    if told == [asked]:
        return f"{asked}, as the replies say too"
    if len(told) > 1:
        return f"{asked} was asked; the replies came from several: {', '.join(told)}"
    return f"{asked} was asked; the replies {f'say {told[0]}' if told else 'do not say which model answered'}"


def _choices(found: Mapping[str, Any]) -> str:
    if found["choices"]:
        return "by the log-probability of each label's first token, not of the whole label"
    if found["with_first_tokens"]:
        return "none, as the likeliest first tokens do not tell every label in every answer; the text counts"
    return "none, as the endpoint tells no log-probabilities; the text counts"


def _refused(names: list[str]) -> str:
    return f"{', '.join(names)}; asked without, it may answer otherwise again" if names else "none"


def _tokens(read: int | None, written: int | None) -> str:
    if read is None or written is None:
        return "not told by the endpoint"
    return f"{read:,} in, {written:,} out"


def _price(cost: float | None, price_in: float | None, price_out: float | None) -> str:
    if price_in is None or price_out is None:
        return "unknown without prices (--price-in, --price-out)"
    if cost is None:
        return "unknown, as not every answer came with its tokens"
    return f"{cost:.4f} in the currency of the prices, {price_in:g} and {price_out:g} per million tokens"
