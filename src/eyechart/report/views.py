"""Tables in the shape that the page shows: rows of cells with a text and a shade."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from eyechart.report.numbers import Number, count, duration, interval, percent, points
from eyechart.report.tables import Tables, records

WAYS = {"choose": "chooses", "generate": "own words", "yes-no": "yes or no"}  # of answering


@dataclass(frozen=True)
class Cell:
    """One cell: its text, how dark it is shaded (0 to 1), and a longer text for those who ask.

    Attributes:
        text, shade, title: see above.
        href: where it leads, or "".
        behind: series, true label and answer of the images behind it, as numbers; see html/gallery.js.
    """

    text: str
    shade: float = 0.0
    title: str = ""
    href: str = ""
    behind: str = ""


@dataclass(frozen=True)
class Grid:
    """A table with a caption, names of columns, and rows of (name, cells); cells may be whole sentences."""

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    sentences: bool = False


def arms_grid(tables: Tables) -> Grid:
    """Return the compact table of the first screen: one row per arm."""
    asked = [name for name in WAYS if "kinds" in tables and name in set(tables["kinds"]["readout"])]
    columns = [
        (f"{kind}_{readout}", f"{WAYS[readout]}, {kind} wording")
        for readout in asked
        if readout != "yes-no" or asked == ["yes-no"]  # has a section of its own
        for kind in ("train", "held-out")
    ]
    tuned = "proof_ok" in tables["arms"] and bool(tables["arms"]["proof_ok"].notna().any())
    rows = []
    for row in records(tables["arms"]):
        cells = [_share(row, name) for name, _ in [*columns, ("content", "")]]
        rows.append((str(row["arm"]), (*cells, *(_trained(row) if tuned else ()))))
    heads = [head for _, head in columns] + ["picture content"] + (["tuning", "trained"] if tuned else [])
    caption = "Balanced accuracy per arm, with 95 % intervals by content"
    return Grid(caption, "arm", tuple(heads), tuple(rows))


def _share(row: dict[str, Any], name: str) -> Cell:
    number = Number.of(row, name, f"{name}_low", f"{name}_high")
    if math.isnan(number.value):
        return Cell("–")
    return Cell(f"{percent(number.value)}\n{interval(number.low, number.high)}", number.value)


def _trained(row: dict[str, Any]) -> tuple[Cell, Cell]:
    """Return how long an arm was tuned, and its trained parameters with the proof that they alone changed."""
    ok, number = row["proof_ok"], count(row["trained_parameters"])
    if ok is None or ok != ok:  # absent, or NaN from a table where some arms have none
        return Cell(duration(row["seconds"])), Cell(number)
    return Cell(duration(row["seconds"])), Cell(f"{number}\n{'proved' if ok else 'NOT AS ASKED'}")


def main_wording(tables: Tables) -> str:
    """Return which wordings the tables by level and label are of (``tables.main_rows``)."""
    train = "train" in set(tables["kinds"]["template_split"])
    return "Train wording." if train else "Held-out wordings: no train wording was asked."


def level_grids(tables: Tables) -> list[Grid]:
    """Return accuracy by arm and level, one table per readout."""
    levels = tables["levels"].assign(level=tables["levels"]["level"].map(str))
    return [
        _heat(part, "arm", "level", "accuracy", f"Accuracy by level, {readout}")
        for readout, part in levels.groupby("readout", sort=False)
    ]


def recall_grids(tables: Tables) -> list[Grid]:
    """Return recall by arm and label, one table per readout."""
    recalls = tables["recalls"].rename(columns={"recall_low": "low", "recall_high": "high"})
    return [
        _heat(part, "arm", "label", "recall", f"Recall by label, {readout}")
        for readout, part in recalls.groupby("readout", sort=False)
    ]


def label_level_grids(tables: Tables, readout: str) -> list[Grid]:
    """Return accuracy by label and level, one table per arm."""
    mine = tables["label_levels"]
    mine = mine[mine["readout"] == readout].sort_values("level", kind="stable")
    mine = mine.assign(level=mine["level"].map(str))
    return [
        _heat(part, "label", "level", "accuracy", f"{arm}, {readout}")
        for arm, part in mine.groupby("arm", sort=False)
    ]


def _heat(table: pd.DataFrame, row: str, column: str, value: str, caption: str) -> Grid:
    columns = list(dict.fromkeys(table[column]))
    rows = []
    for name, part in table.groupby(row, sort=False):
        found = {one[column]: one for one in records(part)}
        rows.append((str(name), tuple(_heat_cell(found.get(key), value) for key in columns)))
    return Grid(caption, f"{row} \\ {column}", tuple(map(str, columns)), tuple(rows))


def _heat_cell(row: dict[str, Any] | None, value: str) -> Cell:
    if row is None or math.isnan(row[value]):
        return Cell("–")
    title = f"{percent(row[value])} ({interval(row['low'], row['high'])}), n = {row['n']}"
    return Cell(f"{100 * row[value]:.0f}", row[value], title)


def confusion_grid(tables: Tables, arm: str, readout: str, series: int | None = None) -> Grid | None:
    """Return one arm's confusion matrix: shares of each true label's images, counts as titles.

    Args:
        tables: the run's tables.
        arm: whose.
        readout: of which answers.
        series: its place among the gallery's series; None where no cell leads to the gallery.
    """
    mine = tables["confusion"]
    mine = mine[(mine["arm"] == arm) & (mine["readout"] == readout)]
    if mine.empty:
        return None
    columns = list(dict.fromkeys(mine["predicted"]))
    rows = []
    for place, (label, part) in enumerate(mine.groupby("label", sort=False)):
        total = int(part["n"].sum())
        counts = zip(columns, part["n"], strict=True)
        cells = [_counted(str(label), name, int(n), total) for name, n in counts]
        if series is not None:
            cells = [
                replace(cell, href=f"#pics-{place}", behind=f"{series} {place} {column}") if n else cell
                for column, (cell, n) in enumerate(zip(cells, part["n"], strict=True))
            ]
        rows.append((str(label), tuple(cells)))
    return Grid(f"{arm}, {readout}", "true \\ answered", tuple(columns), tuple(rows))


def _counted(label: str, answered: str, n: int, total: int) -> Cell:
    title = f"{label} answered as {answered}: {n} of {total}"
    return Cell(f"{100 * n / total:.0f}" if total else "–", n / total if total else 0, title)


def content_grid(tables: Tables) -> Grid:
    """Return accuracy on what the picture shows, per arm and question, with its change against base."""
    questions = list(dict.fromkeys(tables["content"]["question"]))
    rows = []
    for arm, part in tables["content"].groupby("arm", sort=False):
        found = {one["question"]: one for one in records(part)}
        rows.append((str(arm), tuple(_content_cell(found.get(q), str(arm)) for q in questions)))
    return Grid("Accuracy, and its change against the untuned model", "arm", tuple(questions), tuple(rows))


def _content_cell(row: dict[str, Any] | None, arm: str) -> Cell:
    if row is None:
        return Cell("–")
    change = Number.of(row, "change", "change_low", "change_high")
    moved = "" if arm == "base" else f"\n{points(change)}"
    held = f"{percent(row['accuracy'])}\n{interval(row['low'], row['high'])}"
    return Cell(f"{held}{moved}", row["accuracy"], f"n = {row['n']}")


def template_grid(tables: Tables) -> Grid:
    """Return balanced accuracy per template and readout (rows) and arm (columns)."""
    exam = tables["exam"]
    arms = list(dict.fromkeys(exam["arm"]))
    rows = []
    for (template, kind, readout), part in exam.groupby(
        ["template", "template_split", "readout"], sort=False
    ):
        found = {one["arm"]: one for one in records(part)}
        cells = tuple(_exam_cell(found.get(arm)) for arm in arms)
        rows.append((f"{template} ({kind}), {readout}", cells))
    return Grid("Balanced accuracy per wording", "template", tuple(map(str, arms)), tuple(rows))


def _exam_cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    number = Number.of(row, "balanced_accuracy", "balanced_low", "balanced_high")
    title = f"n = {row['n']}, {percent(row['unparsed_share'])} of the answers name no label"
    return Cell(f"{percent(number.value)}\n{interval(number.low, number.high)}", number.value, title)


_STATUSES = {
    "label": "names one label",
    "several": "names more than one",
    "off-list": "names a distortion that is no label",
    "denied": "says no to a yes-no question",
    "refusal": "declines",
    "empty": "says nothing",
    "unparsed": "all else",
}


def status_grid(tables: Tables) -> Grid:
    """Return the share of generated answers with each status, per arm and template."""
    status = tables["status"]
    columns = [name for name in _STATUSES if name in set(status["status"])]
    rows = []
    for (arm, template), part in status.groupby(["arm", "template"], sort=False):
        found = dict(zip(part["status"], part["share"], strict=True))
        rows.append((f"{arm}, {template}", tuple(_shares(found, columns))))
    told = "; ".join(f"{name}: {_STATUSES[name]}" for name in columns)
    return Grid(f"What the generated texts are. {told}", "arm, template", tuple(columns), tuple(rows))


def _shares(found: dict[str, float], columns: list[str]) -> Iterable[Cell]:
    for name in columns:
        share = found.get(name, 0.0)
        yield Cell(percent(share), share)
