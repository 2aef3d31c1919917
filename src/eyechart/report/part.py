"""A section of measures in the shape that the page shows: one sentence that matters, a figure, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from eyechart.report.figures import svg
from eyechart.report.numbers import Number, interval, percent, plain
from eyechart.report.tables import records
from eyechart.report.views import Cell, Grid

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Drawn:
    """A figure, and the words below it."""

    drawing: Markup
    caption: str


@dataclass(frozen=True)
class Part:
    """What one section shows.

    Attributes:
        lead: the sentence that matters.
        reading: what the section shows and how it is read, in one sentence.
        also: further findings, in the order of their weight.
        notes: what a reader must know before believing a number.
        figures: the first is shown, the others are folded.
        grids: tables; the first rows are shown, the others are folded.
        folded: tables that only some readers want.
    """

    lead: str
    reading: str
    also: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    figures: tuple[Drawn, ...] = ()
    grids: tuple[Grid, ...] = ()
    folded: tuple[Grid, ...] = ()


def drawn(
    name: str, words: str, caption: str, size: tuple[float, float], draw: Callable[[Any], None]
) -> Drawn:
    """Return a figure, see :func:`eyechart.report.figures.svg`; ``name`` may hold an arm's name."""
    from markupsafe import Markup

    name = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    # Markup is for what this package draws itself; matplotlib has escaped the texts inside.
    return Drawn(Markup(svg(name, words, size, draw)), caption)  # noqa: S704


def ranked(table: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Return a table in the order in which it is read: the given arms, then others; train wordings first."""
    place = {arm: i for i, arm in enumerate(arms)}
    order = pd.DataFrame(
        {
            "arm": [place.get(str(arm), len(place)) for arm in table["arm"]],
            "split": [split != "train" for split in table["template_split"]],
        }
    )
    return table.iloc[order.sort_values(["arm", "split"], kind="stable").index]


def firsts(table: pd.DataFrame, arms: Sequence[str]) -> list[dict[str, Any]]:
    """Return the row of each given arm that its sentence is about: the first one, train wordings first."""
    return records(ranked(table[table["arm"].isin(arms)], arms).drop_duplicates("arm"))


def grid(
    caption: str, corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]
) -> Grid:
    """Return a table of plain texts."""
    cells = tuple((name, tuple(Cell(text) for text in texts)) for name, texts in rows)
    return Grid(caption, corner, tuple(columns), cells)


def number_of(row: dict[str, Any], name: str) -> Number:
    """Return a measure of a row: the columns NAME, NAME_low and NAME_high."""
    return Number.of(row, name, f"{name}_low", f"{name}_high")


def share_cell(row: dict[str, Any], name: str) -> str:
    """Return a measure that is a share as a cell: its interval stands below it."""
    number = number_of(row, name)
    return (
        "–" if math.isnan(number.value) else f"{percent(number.value)}\n{interval(number.low, number.high)}"
    )


def plain_cell(row: dict[str, Any], name: str, digits: int = 2) -> str:
    """Return a measure that is no share as a cell: its interval stands below it."""
    return "\n".join(plain(number_of(row, name), digits)).strip()


def called(row: dict[str, Any]) -> str:
    """Return the name of a row: arm and wording, held-out ones marked."""
    marked = " (held-out)" if row["template_split"] == "held-out" else ""
    return f"{row['arm']}, {row['template']}{marked}"
