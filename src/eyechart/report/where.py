"""Where is the information lost: the verdict of an arm in words, and that of each label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from eyechart.inside.kept import OVERALL
from eyechart.inside.verdict import PERCEIVED, SENTENCES, UNKNOWN, title
from eyechart.report.part import Part, grid
from eyechart.report.tables import Tables, records

_READING = (
    "A label's score is its recall minus its false alarms among the images of the label that is most "
    "often taken for it. A part loses a label if what comes behind it keeps less than half of the best score "
    "before, pixel statistics included, by a test over contents; where it is neither surely less nor surely "
    "more than half, it cannot be told. Where another reading of the answers keeps it, wording or decoding "
    "is at fault."
)


def where_lost(tables: Tables, arm: str = "base") -> tuple[str, tuple[str, ...]]:
    """Return a verdict of a few words on one arm, and its reasons."""
    found = _of(tables, arm)
    overall = next((row for row in found if row["scope"] == OVERALL), None)
    if overall is None:
        return "Not examined yet", (f"The stages of {arm} have not been probed.",)
    groups = _groups(row for row in found if row is not overall)
    # "Cannot tell at n = ..." is the title; the sentence begins with it.
    first = _evidence(overall) if overall["verdict"] == UNKNOWN else str(overall["sentence"])
    return _title(overall), tuple(reason for reason in (first, *groups) if reason)


def where_part(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on where each label is lost; None where nothing was judged."""
    grids = []
    for arm in arms:
        rows = [row for row in _of(tables, arm) if row["scope"] != OVERALL]
        cells = [(str(row["scope"]), (_title(row), _evidence(row))) for row in rows]
        if cells:
            named = grid(f"{arm}: where each label is lost", "label", ("verdict", "evidence"), cells)
            grids.append(replace(named, sentences=True))
    overall = [(arm, row) for arm in arms for row in _of(tables, arm) if row["scope"] == OVERALL]
    if not overall:
        return None
    lead, *also = [f"{arm}: {row['sentence']}" for arm, row in overall]
    return Part(
        lead=lead, reading=_READING, also=tuple(also), grids=tuple(grids[:1]), folded=tuple(grids[1:])
    )


def _of(tables: Tables, arm: str) -> list[dict[str, Any]]:
    table = tables.get("verdict")
    return [] if table is None else records(table[table["arm"] == arm])


def _title(row: dict[str, Any]) -> str:
    return title(row["verdict"], row["why"], row["contents"], row["n"])


def _evidence(row: dict[str, Any]) -> str:
    """Return a verdict's sentence behind its title: the numbers."""
    return str(row["sentence"]).partition(". ")[2]


def _groups(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the labels of each verdict, those that are lost first."""
    groups: dict[str, list[str]] = {verdict: [] for verdict in (*SENTENCES, UNKNOWN)}
    for row in rows:
        groups[row["verdict"]].append(str(row["scope"]))
    last = (PERCEIVED, UNKNOWN)
    order = [*(verdict for verdict in groups if verdict not in last), *last]
    named = SENTENCES | {UNKNOWN: "Cannot tell"}
    return [f"{named[verdict]}: {', '.join(groups[verdict])}." for verdict in order if groups[verdict]]
