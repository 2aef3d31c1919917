"""What an image is called when the answer is drawn several times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.measures.sampling import OFF, UNKNOWN
from eyechart.report.numbers import percent
from eyechart.report.part import Part, called, firsts, grid, number_of, plain_cell, ranked, share_cell
from eyechart.report.tables import Tables, records
from eyechart.report.views import Grid

_READING = (
    "Expected accuracy is that of one sampled answer, consensus accuracy that of more than half of an "
    "image's answers; consistency only asks whether they are all right or all wrong, "
    "“all the same” compares the answers themselves; flips are sampled answers that are not the greedy one."
)
_NAMED = 4  # questions that a note names
_SHARES = {
    "expected_accuracy": "expected accuracy",
    "consensus_accuracy": "consensus accuracy",
    "consistency_rate": "consistency",
    "same_answer": "all the same",
    "flip_rate": "flips",
}


def repeats(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on repeats; None where nothing was asked again."""
    checked = tables.get("sampling")
    if checked is None:
        return None
    measured = tables.get("consistency")
    told = [] if measured is None else [_sentence(row) for row in firsts(measured, arms)]
    return Part(
        lead=told[0] if told else "The repeats measure nothing, since nothing was sampled.",
        reading=_READING,
        also=tuple(told[1:]),
        notes=tuple(_check(checked)),
        grids=() if measured is None else (_grid(measured, arms),),
        folded=(_sampling(checked, arms),),
    )


def _sentence(row: dict[str, Any]) -> str:
    same, expected, consensus = (
        number_of(row, name) for name in ("same_answer", "expected_accuracy", "consensus_accuracy")
    )
    return (
        f"{called(row)}: all {row['repeats']} sampled answers are the same for {same} of the images; one of "
        f"them is right for {expected}, most of them for {consensus}."
    )


def _check(checked: pd.DataFrame) -> Iterator[str]:
    """Yield, before any number, what is wrong with the samples."""
    off = records(checked[checked["sampling"] == OFF])
    if off:
        named = "; ".join(called(row) for row in off[:_NAMED])
        more = f" and {len(off) - _NAMED} more" if len(off) > _NAMED else ""
        least = min(row["entropy"] for row in off)
        yield (
            f"Not sampled: {named}{more}. Every image's repeats gave one text there, although the first "
            f"token's entropy is at least {least:.2f} nats on average. They are left out; ask again with a "
            "temperature above 0 and another seed for every repeat."
        )
    unsure = checked[checked["sampling"] == UNKNOWN]
    if len(unsure):
        yield (
            f"Cannot tell whether sampling was on for {len(unsure)} of {len(checked)} questions: their "
            "repeats gave one text, and the first token's entropy is unknown or too small to expect others."
        )


def _grid(measured: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(ranked(measured, arms)):
        cells = [share_cell(row, name) for name in _SHARES]
        entropy, variance = (plain_cell(row, name, 3) for name in ("answer_entropy", "internal_variance"))
        rows.append((called(row), [*cells, entropy, variance]))
    heads = (*_SHARES.values(), "entropy (nats)", "internal variance")
    return grid(f"How steady {measured['repeats'].max()} sampled answers are", "arm, wording", heads, rows)


def _sampling(checked: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(ranked(checked, arms)):
        entropy = "–" if row["entropy"] != row["entropy"] else f"{row['entropy']:.3f}"
        told = [str(row["images"]), percent(row["varied"]), entropy, str(row["sampling"])]
        rows.append((called(row), told))
    heads = ("images", "texts differ on", "first token's entropy (nats)", "sampling")
    return grid("The check first: was sampling on?", "arm, wording", heads, rows)
