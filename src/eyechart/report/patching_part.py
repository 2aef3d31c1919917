"""Where the label is decided: what happens if states of a distorted image's run stand in a clean one's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.inside.causal import DIRECTIONS
from eyechart.inside.patching import ANSWER, IMAGE
from eyechart.report.figures import COLOURS, TEXT
from eyechart.report.numbers import Number, place, plain
from eyechart.report.part import Drawn, Part, drawn, grid
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid

_READING = (
    "One crop, clean and distorted: at one layer, states of one run are put into the other. 0: the log-odds "
    "of the distorted image's label stay; 1: they become those of the other run. What the image's positions "
    "carry at a layer is still to be read there; what the answer's carry has been read. In the encoder every "
    "position is the image's, and a patch is the whole image."
)
_HALF = 0.5
_WAYS = {DIRECTIONS[0]: "distorted into clean", DIRECTIONS[1]: "clean into distorted"}
_KINDS = {IMAGE: "image positions", ANSWER: "answer positions"}
_INK = {IMAGE: COLOURS[4], ANSWER: COLOURS[1]}


def patching_part(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on causal patching; None where nothing was patched.

    Args:
        tables: of the report.
        arms: the untuned arm and the best one; the best is told first.
    """
    if "patching" not in tables:
        return None
    table = tables["patching"]
    known = list(dict.fromkeys(table["arm"]))
    first = [arm for arm in reversed(arms) if arm in known]
    ordered = [*first, *(arm for arm in known if arm not in first)]
    told = [_sentence(table[table["arm"] == arm], arm) for arm in ordered]
    return Part(
        lead=told[0],
        reading=_READING,
        also=tuple(told[1:]),
        notes=tuple(_notes(table)),
        figures=tuple(_figure(table[table["arm"] == arm], arm) for arm in ordered),
        grids=(_grid(table[table["arm"] == ordered[0]], ordered[0]),),
        folded=tuple(_grid(table[table["arm"] == arm], arm) for arm in ordered[1:]),
    )


def _sentence(mine: pd.DataFrame, arm: str) -> str:
    """Say up to which layer the image's positions decide, and from which on the answer's do."""
    row = records(mine)[0]
    shift = Number.of(row, "shift", "shift_low", "shift_high")
    pairs = f"{row['pairs']} pairs of {row['contents']} contents"
    if place(shift, 0) != "above":
        return (
            f"{arm}: cannot tell where: on {pairs} a distortion moves the log-odds of its label by "
            f"{_written(shift)}, which may be nothing."
        )
    ways = mine[mine["direction"] == DIRECTIONS[0]]
    image = [r for r in records(ways[ways["positions"] == IMAGE]) if place(_effect(r), _HALF) == "above"]
    answer = [r for r in records(ways[ways["positions"] == ANSWER]) if place(_effect(r), _HALF) == "above"]
    stays = (
        f"the image's positions decide the label up to {_at(image[-1])}" if image else "no layer stands out"
    )
    moved = f", the answer's own positions from {_at(answer[0])}" if answer else ""
    return f"{arm}: {stays}{moved}; on {pairs} a distortion raises its label's log-odds by {_written(shift)}."


def _effect(row: dict[str, Any]) -> Number:
    return Number.of(row, "effect")


def _at(row: dict[str, Any]) -> str:
    value, ends = plain(_effect(row))
    return f"{row['stage']} (effect {value}, {ends})"


def _written(number: Number) -> str:
    value, ends = plain(number)
    return f"{value} ({ends})" if ends else value


def _notes(table: pd.DataFrame) -> Iterator[str]:
    """Yield what a reader must know: pairs that were left out, and places that do not exist."""
    for row in records(table.drop_duplicates("arm")):
        if row["alike"]:
            count = f"{row['alike']} of {row['alike'] + row['pairs']}"
            yield (
                f"{row['arm']}: pairs left out, as the clean and the distorted image have the same log-odds: "
                f"{count}."
            )
    if not ((table["positions"] == IMAGE) & (table["order"] > 0)).any():
        yield (
            "This model looks at the image by cross-attention: no position of its language model is the "
            "image's, so that only what the cross-attention reads (projector output) and the answer's "
            "positions can be patched."
        )


def _grid(mine: pd.DataFrame, arm: str) -> Grid:
    rows = []
    for stage in dict.fromkeys(mine.sort_values("order", kind="stable")["stage"]):
        cells = []
        for kind in _KINDS:
            for way in _WAYS:
                row = pick(mine, stage=stage, positions=kind, direction=way)
                cells.append("\n".join(plain(_effect(row))).strip() if row else "–")
        rows.append((stage, cells))
    heads = [f"{kind}, {way}" for kind in _KINDS.values() for way in _WAYS.values()]
    return grid(f"Effect of a patch, {arm}", "stage", heads, rows)


def _figure(mine: pd.DataFrame, arm: str) -> Drawn:
    stages = mine.sort_values("order", kind="stable").drop_duplicates("order")
    names = [_short(str(name)) for name in stages["stage"]]
    at = {order: i for i, order in enumerate(stages["order"])}

    def draw(axes: Any) -> None:
        for kind in _KINDS:
            for i, way in enumerate(_WAYS):
                part = mine[(mine["positions"] == kind) & (mine["direction"] == way)].sort_values("order")
                where = [at[order] + 0.1 * (i - 0.5) for order in part["order"]]
                axes.vlines(where, part["low"], part["high"], color=_INK[kind], linewidth=1.2)
                axes.plot(
                    where,
                    part["effect"],
                    color=_INK[kind],
                    marker="os"[i],
                    markerfacecolor=_INK[kind] if i == 0 else "none",
                    linestyle=("-", (0, (3, 2)))[i],
                    label=f"{_KINDS[kind]}, {_WAYS[way]}",
                )
        for level in (0, 1):
            axes.axhline(level, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(names)), names)
        axes.set_ylim(*_range(mine))
        axes.set_ylabel("effect on the label's log-odds")
        axes.grid(axis="y", color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2, fontsize=8.5, handletextpad=0.4)

    words = "; ".join(
        f"{row.positions} positions, {row.stage}, {row.direction} {row.effect:.2f}"
        for row in mine.itertuples()
    )
    caption = (
        f"{arm}: how much of the difference between a clean and a distorted run a patch carries over, with "
        "95 % intervals by content. Dashed: 0 nothing, 1 all."
    )
    return drawn(f"patching-{arm}", f"Effect of a patch, {arm}: {words}.", caption, (7.2, 3.6), draw)


def _range(mine: pd.DataFrame) -> tuple[float, float]:
    """Return the figure's range, which wide intervals of an arm that decides nothing do not stretch."""
    low, high = mine["low"].min(), mine["high"].max()
    return max(min(-0.15, low - 0.05), -1.0), min(max(1.15, high + 0.05), 2.0)


def _short(stage: str) -> str:
    """Write a stage so that many fit below a figure."""
    return stage.replace("language ", "layer ").replace("projector output", "projector\noutput")
