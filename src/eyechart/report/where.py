"""Where is the information lost: the verdict of an arm in words, and that of each label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from eyechart.inside.kept import OVERALL
from eyechart.inside.verdict import IN_ENCODER, PERCEIVED, SENTENCES, UNKNOWN, title
from eyechart.report.part import Part, grid
from eyechart.report.tables import Tables, records

_READING = (
    "A label's score is its recall minus its false alarms among the images of the label that is most "
    "often taken for it. A part loses a label if what comes behind it keeps less than half of the best score "
    "before, pixel statistics included, by a test over contents; where it is neither surely less nor surely "
    "more than half, it cannot be told. Where another reading of the answers keeps it, wording or decoding "
    "is at fault."
)
_SCORE = "A score of 100 tells every label from the others, one of 0 none"
_WITHIN = "Lost within the vision encoder"


def where_lost(tables: Tables, arm: str = "base") -> tuple[str, tuple[str, ...]]:
    """Return a verdict of a few words on one arm, and its reasons."""
    found = _of(tables, arm)
    overall = next((row for row in found if row["scope"] == OVERALL), None)
    if overall is None:
        return "Not examined yet", (f"The stages of {arm} have not been probed.",)
    groups = _groups(row for row in found if row is not overall)
    first = _behind_title(overall)
    if " of 100)" in first:
        first += f" ({_SCORE}.)"
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
    lead, *also = [f"{arm}: {_title(row)}. {_behind_title(row)}" for arm, row in overall]
    return Part(
        lead=lead, reading=_READING, also=tuple(also), grids=tuple(grids[:1]), folded=tuple(grids[1:])
    )


def _of(tables: Tables, arm: str) -> list[dict[str, Any]]:
    table = tables.get("verdict")
    return [] if table is None else records(table[table["arm"] == arm])


def _title(row: dict[str, Any]) -> str:
    if row["verdict"] == IN_ENCODER and "early layer holds it" in row["why"]:
        return _WITHIN  # that the encoder does not carry it would contradict the reason
    return title(row["verdict"], row["why"], row["contents"], row["n"])


def _behind_title(row: dict[str, Any]) -> str:
    """Return what a verdict's title leaves open: more on the loss, and the numbers."""
    why = "" if row["verdict"] == UNKNOWN else str(row["why"])
    return f"{why[:1].upper()}{why[1:]}{'. ' if why else ''}{_evidence(row)}"


def _evidence(row: dict[str, Any]) -> str:
    """Return a verdict's sentence behind its title: the numbers."""
    return str(row["sentence"]).partition(". ")[2]


def _groups(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return the labels of each verdict, those that are lost first."""
    lost = [named for verdict, named in SENTENCES.items() if verdict != PERCEIVED]
    groups: dict[str, list[str]] = {
        named: [] for named in (_WITHIN, *lost, SENTENCES[PERCEIVED], "Cannot tell")
    }
    for row in rows:
        named = "Cannot tell" if row["verdict"] == UNKNOWN else _title(row)
        groups[named].append(str(row["scope"]))
    return [f"{named}: {', '.join(labels)}." for named, labels in groups.items() if labels]
