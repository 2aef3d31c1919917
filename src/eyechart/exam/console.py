"""What a terminal shows after an exam or a comparison: tables that fit into 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from eyechart.measures.accuracy import exam_table
from eyechart.measures.comparison import template_gap
from eyechart.measures.consistency import consistency
from eyechart.measures.sampling import OFF, sampling
from eyechart.report.numbers import Number, decimal, interval, percent, points
from eyechart.report.tables import records

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ALL = "all"
ALPHA = 0.05
WIDTH = 80


def rendered(parts: Sequence[RenderableType]) -> str:
    """Return tables and lines as plain text of 80 columns."""
    from io import StringIO

    from rich.console import Console

    text = StringIO()
    console = Console(file=text, width=WIDTH, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def exam_summary(
    answers: pd.DataFrame, labels: Sequence[str], seed: int = 0, temperature: float = 0.7
) -> list[RenderableType]:
    """Return what an exam found, arm by arm, for :func:`rendered`; ``temperature`` is that of the samples.

    Accuracy with its 95 % interval per template and readout, the share of answers without a label, chance and
    majority; the largest gap between train and held-out wordings; consistency where there are repeats.
    """
    exam, gaps = exam_table(answers, labels, seed), template_gap(answers, seed)
    parts: list[RenderableType] = []
    for arm, rows in exam.groupby("arm", sort=False):
        parts.append(_accuracies(str(arm), rows))
        first = rows.iloc[0]
        parts.append(
            f"{first['n']} images of {first['contents']} contents. Chance {percent(first['chance'])}, always "
            f"the most frequent label {percent(first['majority'])}."
        )
        parts += _worst_gap(gaps[gaps["arm"] == arm])
        parts += _consistency(answers[answers["arm"] == arm], labels, seed, temperature)
        parts.append("")
    return parts


def comparison(found: pd.DataFrame) -> list[RenderableType]:
    """Return what :func:`eyechart.compare.compare_runs` found, for :func:`rendered`."""
    parts: list[RenderableType] = []
    for (arm, run, reference), rows in found.groupby(["examined", "run", "reference"], sort=False):
        title = f"{run} minus {reference}" + (f" (arm {arm})" if arm != "base" else "")
        overall = rows["label"] == ALL
        parts.append(_differences(title, rows[overall], ("template", "readout")))
        unlike = rows[~overall & (rows["p_holm"] < ALPHA)]
        if len(unlike):
            title = f"Labels that differ ({len(unlike)} of {(~overall).sum()} comparisons)"
            parts.append(_differences(title, unlike, ("label", "template", "readout")))
        else:
            parts.append(f"Of single labels none can be told apart ({(~overall).sum()} comparisons).")
        parts += [*_too_few(rows[overall], (found["label"] == ALL).sum()), *_too_few_for_labels(rows), ""]
    parts.append(
        "Intervals: 95 % over contents. p: swapping the runs in whole contents, with Holm's correction over "
        "the rows of all labels, and over the labels of each template and readout."
    )
    return parts


def _accuracies(arm: str, rows: pd.DataFrame) -> Table:
    table = _table(arm, ("template", "readout", "split"), ("accuracy", "95 %", "no label"))
    last = None
    for row in records(rows):
        repeated = row["template"] == last
        last = row["template"]
        table.add_row(
            *("" if repeated else str(last), str(row["readout"]), "" if repeated else row["template_split"]),
            *(percent(row["accuracy"]), interval(row["low"], row["high"])),
            percent(row["unparsed_share"]),
        )
    return table


def _worst_gap(gaps: pd.DataFrame) -> Iterator[str]:
    if gaps.empty:
        return
    worst = max(records(gaps), key=lambda row: abs(row["gap"]))
    told = points(Number.of(worst, "gap"))
    yield f"Largest gap, train minus held-out wordings ({worst['readout']}): {told}."


def _consistency(
    answers: pd.DataFrame, labels: Sequence[str], seed: int, temperature: float
) -> Iterator[RenderableType]:
    """Yield the table of repeats, and a line for every template whose repeats were not sampled."""
    if "repeat" not in answers or not (answers["repeat"] > 0).any():
        return
    checked = sampling(answers, temperature)
    off = set(checked.loc[checked["sampling"] == OFF, "template"])
    if off:
        yield f"Nothing was sampled, in spite of entropy: {', '.join(sorted(off))}. No consistency for them."
    found = consistency(answers[~answers["template"].isin(off)], labels, seed, temperature)
    if found.empty:
        return
    names = ("expected", "consensus", "consistent", "same", "flips", "entropy")
    table = _table(f"{found['repeats'].max()} repeats", ("template",), names)
    for row in records(found):
        shares = ("expected_accuracy", "consensus_accuracy", "consistency_rate", "same_answer", "flip_rate")
        cells = [percent(row[name]) for name in shares]
        table.add_row(str(row["template"]), *cells, decimal(row["answer_entropy"]))
    yield table


def _differences(title: str, rows: pd.DataFrame, names: Sequence[str]) -> Table:
    table = _table(title, names, ("n", "accuracy", "points", "95 %", "p"))
    for row in records(rows):
        change = Number.of(row, "difference")
        table.add_row(
            *(str(row[name]) for name in names),
            *(str(row["n"]), percent(row["accuracy"]), _points(row["difference"])),
            *(interval(change.low, change.high), _p(row["p_holm"])),
        )
    return table


def _too_few(rows: pd.DataFrame, family: int, what: str = "comparisons") -> Iterator[str]:
    """Say so where even the smallest p that swapping whole contents can give is lost to the correction."""
    contents = rows["contents"].max()
    if family * 2.0 ** (1 - contents) >= ALPHA:
        yield (
            f"{contents} contents are too few to find anything in {family} {what}: p cannot fall below "
            f"{2.0 ** (1 - contents):.2g} before the correction."
        )


def _too_few_for_labels(rows: pd.DataFrame) -> Iterator[str]:
    single = rows[rows["label"] != ALL]
    if len(single):
        family = single.groupby(["template", "readout"]).size().min()
        yield from _too_few(single, family, "single labels")


def _table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in words:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else decimal(value)


def _points(change: float) -> str:
    return f"{100 * change:+.1f}".replace("-", "−")
