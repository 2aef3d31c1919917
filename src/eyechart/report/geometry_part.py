"""How alike the stages hold the images, what tuning moved, and the gap between visual tokens and words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.inside.geometry import BEFORE
from eyechart.report.figures import COLOURS, MARKERS, TEXT
from eyechart.report.numbers import Number, percent, plain
from eyechart.report.part import Drawn, Part, drawn, grid
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid

_READING = (
    "CKA is 1 where two stages hold the same images in the same way, whatever their widths, and 0 where they "
    "have nothing in common; shown is the estimate without bias (the CSV has the plain one too). Overlap is "
    "the share of an image's 10 nearest neighbours that stay its neighbours. Both see what tells images "
    "apart most, which is what they show and seldom how they are distorted. Only that is seen by how often "
    "neighbours of other contents have an image's label."
)
_WIDTH = 5.0  # inches: a phone shows it whole
_WORDS = {"labels": "label words", "vocabulary": "vocabulary"}


def geometry_part(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on the geometry of the stages; None where it was not measured.

    Args:
        tables: of the report.
        arms: the untuned arm and the best one.
    """
    if "geometry" not in tables:
        return None
    table = tables["geometry"]
    measured = list(dict.fromkeys(table["arm"]))
    first = next((arm for arm in arms if arm in measured), measured[0])
    tuned = [arm for arm in measured if len(_rows(table, arm, "cka", before=True))]
    told = [arm for arm in measured if arm in arms]  # the tables tell of the others
    figures = [_moved_figure(table, tuned)] if tuned else []
    gaps = [_gap_grid(table, measured)] if "gap" in set(table["measure"]) else []
    return Part(
        lead=_sentence(table, first),
        reading=_READING,
        also=(*(_moved(table, arm) for arm in told if arm in tuned), *_gaps(table, told)),
        figures=(*figures, _figure(table, first)),
        grids=(*gaps, _grid(table, first)),
        folded=(
            *(_moved_grid(table, arm) for arm in tuned),
            *(_grid(table, arm) for arm in measured if arm != first),
        ),
    )


def _rows(table: pd.DataFrame, arm: str, measure: str, *, before: bool = False) -> list[dict[str, Any]]:
    mine = table[(table["arm"] == arm) & (table["measure"] == measure)]
    return records(mine[(mine["other"] == BEFORE) == before].sort_values("order", kind="stable"))


def _sentence(table: pd.DataFrame, arm: str) -> str:
    steps = [row for row in _rows(table, arm, "cka") if row["value"] == row["value"]]
    if not steps:
        return f"{arm}: too few images to compare the stages."
    least = min(steps, key=lambda row: float(row["value"]))
    shared = pick(table, arm=arm, measure="overlap", stage=least["stage"], other=least["other"])
    kept = f"; {percent(shared['value'])} of an image's neighbours stay" if shared else ""
    return (
        f"{arm}: of all steps, the one from {least['stage']} to {least['other']} changes most how the images "
        f"lie: CKA {_told(least)}{kept}."
    )


def _moved(table: pd.DataFrame, arm: str) -> str:
    rows = _rows(table, arm, "cka", before=True)
    least = min(rows, key=lambda row: float(row["value"]))
    return f"{arm}: tuning moved {least['stage']} most: CKA with itself before {_told(least)}."


def _gaps(table: pd.DataFrame, arms: Sequence[str]) -> Iterator[str]:
    for arm in arms:
        gap = pick(table, arm=arm, measure="gap", other="labels")
        cone = pick(table, arm=arm, measure="cone", other="")
        if gap and cone:
            yield (
                f"{arm}: the centroids of visual tokens and label words lie {_told(gap)} apart (at most 2); "
                f"two tokens of different images have a cosine of {_told(cone)}."
            )


def _told(row: dict[str, Any]) -> str:
    value, ends = plain(Number.of(row, "value"))
    return f"{value} ({ends})"


def _grid(table: pd.DataFrame, arm: str) -> Grid:
    """Return one row a stage: what the step to the next stage changes, and whose the neighbours are."""
    names = {str(row["stage"]): row for row in _rows(table, arm, "label_purity")}
    steps = {str(row["stage"]): row for row in _rows(table, arm, "cka")}
    shared = {str(row["stage"]): row for row in _rows(table, arm, "overlap")}
    stages = list(dict.fromkeys([*steps, *names]))
    rows = [(stage, [_cell(steps, stage), _share(shared, stage), _share(names, stage)]) for stage in stages]
    chance = next(iter(names.values()), {"chance": float("nan")})["chance"]
    caption = f"{arm}: each stage, and the step from it to the next"
    heads = ("CKA with the next", "neighbours kept", f"neighbours' label alike (chance {percent(chance)})")
    return grid(caption, "stage", heads, rows)


def _moved_grid(table: pd.DataFrame, arm: str) -> Grid:
    cka = {str(row["stage"]): row for row in _rows(table, arm, "cka", before=True)}
    shared = {str(row["stage"]): row for row in _rows(table, arm, "overlap", before=True)}
    rows = [(stage, [_cell(cka, stage), _share(shared, stage)]) for stage in cka]
    return grid(f"{arm}: each stage against itself before tuning", "stage", ("CKA", "neighbours kept"), rows)


def _gap_grid(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    """Return one row an arm: the gaps to the words, and the cone of each modality."""
    columns = [
        ("gap", "labels"),
        ("gap", "vocabulary"),
        *(("cone", of) for of in ("", "labels", "vocabulary")),
    ]
    heads = [f"gap to the {_WORDS[of]}" for of in _WORDS]
    heads += [f"cosine of two {name}" for name in ("visual tokens", "label words", "words")]
    rows = []
    for arm in arms:
        found = [pick(table, arm=arm, measure=measure, other=of) for measure, of in columns]
        rows.append((arm, ["–" if row is None else _lines(row) for row in found]))
    return grid("The gap between visual tokens and words, and the cone of each", "arm", heads, rows)


def _lines(row: dict[str, Any]) -> str:
    value, ends = plain(Number.of(row, "value"))
    return value if ends == "no interval" else f"{value}\n{ends}"


def _cell(rows: dict[str, dict[str, Any]], stage: str) -> str:
    return _lines(rows[stage]) if stage in rows else "–"


def _share(rows: dict[str, dict[str, Any]], stage: str) -> str:
    if stage not in rows:
        return "–"
    row = rows[stage]
    return f"{percent(row['value'])}\n{100 * row['low']:.1f} to {100 * row['high']:.1f}"


def _figure(table: pd.DataFrame, arm: str) -> Drawn:
    """Draw what each step changes, half-way between the stages that it joins."""
    stages = [str(row["stage"]) for row in _rows(table, arm, "label_purity")]
    stages = stages or [str(row["stage"]) for row in _rows(table, arm, "cka")]
    series = {"CKA with the next stage": ("cka", 0.5), "neighbours kept": ("overlap", 0.5)}
    series["neighbours' label alike"] = ("label_purity", 0.0)

    def draw(axes: Any) -> None:
        for i, (label, (measure, shift)) in enumerate(series.items()):
            rows = _rows(table, arm, measure)
            where = [stages.index(str(row["stage"])) + shift for row in rows if str(row["stage"]) in stages]
            _drawn_series(axes, rows, where, (4, 1, 2)[i], i, label)
        _stage_axis(axes, stages)

    words = "; ".join(
        f"{row['stage']} to {row['other']} {row['value']:.2f}" for row in _rows(table, arm, "cka")
    )
    caption = (
        f"{arm}: how alike neighbouring stages hold the images, and how often neighbours of other contents "
        "have the same label; with 95 % intervals by content."
    )
    size = (_WIDTH, 0.9 + 0.2 * len(stages))
    return drawn(f"geometry-{arm}", f"CKA of neighbouring stages, {arm}: {words}.", caption, size, draw)


def _moved_figure(table: pd.DataFrame, arms: Sequence[str]) -> Drawn:
    """Draw how alike each stage is to itself before tuning, for every tuned arm."""
    stages = [str(row["stage"]) for row in _rows(table, arms[0], "cka", before=True)]

    def draw(axes: Any) -> None:
        for i, arm in enumerate(arms):
            rows = _rows(table, arm, "cka", before=True)
            shift = 0.5 * ((i + 0.5) / len(arms) - 0.5)
            where = [stages.index(str(row["stage"])) + shift for row in rows]
            _drawn_series(axes, rows, where, 1 + i % (len(COLOURS) - 1), i, arm)
        _stage_axis(axes, stages)

    words = "; ".join(
        f"{arm}: "
        + ", ".join(f"{r['stage']} {r['value']:.2f}" for r in _rows(table, arm, "cka", before=True))
        for arm in arms
    )
    caption = (
        "CKA of each stage with itself before tuning: where the line leaves 1, tuning has moved what comes "
        "after; with 95 % intervals by content."
    )
    size = (_WIDTH, 0.9 + 0.2 * len(stages))
    return drawn("geometry-moved", f"CKA with the untuned model. {words}.", caption, size, draw)


def _drawn_series(
    axes: Any, rows: list[dict[str, Any]], where: list[float], colour: int, marker: int, label: str
) -> None:
    if not rows:
        return
    ink = COLOURS[colour]
    axes.hlines(where, [row["low"] for row in rows], [row["high"] for row in rows], color=ink, linewidth=1.6)
    axes.plot(
        [row["value"] for row in rows],
        where,
        "-",
        color=ink,
        marker=MARKERS[marker % len(MARKERS)],
        label=label,
    )


def _stage_axis(axes: Any, stages: Sequence[str]) -> None:
    axes.set_yticks(range(len(stages)), stages)
    axes.set_ylim(len(stages) - 0.5, -0.5)
    axes.set_xlim(0, 1.02)
    axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
    axes.legend(loc="lower center", bbox_to_anchor=(0.3, 1.0), ncols=2, fontsize=9, handlelength=1.6)
