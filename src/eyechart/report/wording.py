"""What changes when only the wording changes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.report.figures import INK, TEXT
from eyechart.report.numbers import Number, chance_of, decimal, interval, percent, place, points
from eyechart.report.part import Drawn, Part, drawn, grid, number_of, share_cell
from eyechart.report.tables import Tables, decisive_readout, pick, records
from eyechart.report.views import Grid, status_grid, template_grid

_READING = (
    "Same images, same labels: where points of one group lie apart, the number depends on how one asks. An "
    "image changes when its answers are not all the same, so that more wordings change more; equal wordings "
    "spread a little too."
)
_ALPHA = 0.05
_LONG = 24  # characters of a template's name that the figure shows


def wording(tables: Tables, arms: Sequence[str], chance: float) -> Part:
    """Return the section on wordings.

    Args:
        tables: of the report; ``exam`` and ``templates`` must be there.
        arms: the untuned arm and the best one.
        chance: of the labels.
    """
    told = [_sentence(row) for row in _widest(tables.get("sensitivity"), arms)]
    alone = "One wording was asked of each readout; ask several to see what wording alone changes."
    grids = [_sensitivity(tables["sensitivity"], arms)] if told else []
    grids += [_gaps(tables)] if len(tables["gap"]) else []
    statuses = [status_grid(tables)] if len(tables["status"]) else []
    return Part(
        lead=told[0] if told else alone,
        reading=_READING,
        also=(*told[1:], *_overfitted(tables)),
        figures=tuple(_figure(tables, arm, chance) for arm in arms),
        grids=tuple(grids),
        folded=(template_grid(tables), *statuses),
    )


def _widest(table: pd.DataFrame | None, arms: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield each arm's set of most wordings in which only the wording differs, else that of all."""
    for arm in arms:
        mine = table[table["arm"] == arm] if table is not None else pd.DataFrame()
        if len(mine):
            alike = mine[mine["over"] != "all"]
            readout = decisive_readout(mine)
            found = alike[alike["readout"] == readout] if len(alike) else mine
            found = found if len(found) else mine
            yield records(found.sort_values("templates", ascending=False, kind="stable"))[0]


def _sentence(row: dict[str, Any]) -> str:
    kind = "wordings, formats and languages" if row["over"] == "all" else f"wordings ({row['over']})"
    changed, spread = number_of(row, "changed"), number_of(row, "spread")
    return (
        f"{row['arm']}, {row['readout']}: {row['templates']} {kind} change the answer to {changed} of the "
        f"images; their accuracies spread by {_points(spread)} points, lowest for {row['lowest']}, highest "
        f"for {row['highest']}."
    )


def _points(spread: Number) -> str:
    return f"{100 * spread.value:.1f} ({interval(spread.low, spread.high)})"


def overfits(tables: Tables, arm: str, readout: str) -> bool:
    """Say whether an arm is surely better on its train wordings, and gained more on them than on others.

    The gain alone does not tell: where the untuned arm fails on the train wordings alone, every arm gains
    more on them.
    """
    own = pick(tables.get("gap"), arm=arm, readout=readout)
    more = pick(tables.get("gap_of_gaps"), arm=arm, readout=readout)
    if own is None or more is None:
        return False
    gap, gained = Number.of(own, "gap"), Number.of(more, "difference")
    return place(gap, 0) == place(gained, 0) == "above" and bool(more["p_holm"] < _ALPHA)


def _overfitted(tables: Tables) -> Iterator[str]:
    """Yield a sentence on every arm that is overfitted to its wordings."""
    for row in records(tables.get("gap_of_gaps", pd.DataFrame())):
        if overfits(tables, row["arm"], row["readout"]):
            change = points(Number.of(row, "difference"))
            yield (
                f"{row['arm']}, {row['readout']}: its train wordings gained {change} more than "
                f"held-out ones did, {chance_of(row['p_holm'])}: overfitted to the wording."
            )


def _sensitivity(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    order = {arm: i for i, arm in enumerate(arms)}
    first = table.assign(place=[order.get(str(arm), len(order)) for arm in table["arm"]])
    first = first.assign(whole=first["over"] != "all").sort_values(["place", "whole"], kind="stable")
    rows = []
    for row in records(first):
        cells = [share_cell(row, name) for name in ("accuracy", "spread", "changed", "pair_changed")]
        where = "all templates" if row["over"] == "all" else row["over"]
        rows.append((f"{row['arm']}, {row['readout']}: {where}", [str(row["templates"]), *cells]))
    heads = ("templates", "accuracy, mean", "spread (s.d.)", "images that change", "by two wordings")
    return grid("How far the answers depend on the template", "arm, readout: templates", heads, rows)


def _gaps(tables: Tables) -> Grid:
    rows = []
    for row in records(tables["gap"]):
        more = pick(tables.get("gap_of_gaps"), arm=row["arm"], readout=row["readout"])
        beyond = [points(Number.of(more, "difference")), decimal(more["p_holm"])] if more else ["–", "–"]
        shares = [percent(row["train_accuracy"]), percent(row["held_out_accuracy"])]
        rows.append((f"{row['arm']}, {row['readout']}", [*shares, points(Number.of(row, "gap")), *beyond]))
    heads = ("train wordings", "held-out wordings", "gap", "gap minus that of base", "p (Holm)")
    return grid("Accuracy on train wordings minus held-out ones, same images", "arm, readout", heads, rows)


def _figure(tables: Tables, arm: str, chance: float) -> Drawn:
    exam = tables["exam"].merge(tables["templates"], on=["template", "template_split"])
    mine = exam[exam["arm"] == arm]
    lines = list(_lines(mine))
    names = [name for name, _ in lines]

    def draw(axes: Any) -> None:
        drawn_before: set[tuple[str, str]] = set()
        for y, (_, part) in enumerate(lines):
            for i, row in enumerate(records(part)):
                at = y + 0.22 * (i - (len(part) - 1) / 2)
                _mark(axes, at, row, drawn_before)
        axes.axvline(chance, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(names)), names)
        for tick, (_, part) in zip(axes.get_yticklabels(), lines, strict=True):
            tick.set_fontweight("bold" if part.empty else "normal")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        _across(axes, "balanced accuracy")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=2, fontsize=8.5, handletextpad=0.3)

    words = "; ".join(
        f"{row.template} ({row.kind}, {row.language}, {row.template_split}) {row.readout} "
        f"{row.balanced_accuracy:.0%}"
        for row in mine.itertuples()
    )
    caption = (
        f"{arm}: balanced accuracy per wording with 95 % intervals, by kind and language. Filled: train; "
        f"open: held-out. Dashed: chance ({percent(chance)})."
    )
    size = (5.0, 1.1 + 0.27 * len(names))
    return drawn(f"wording-{arm}", f"Balanced accuracy per wording, {arm}: {words}.", caption, size, draw)


def _lines(mine: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the figure's lines from above: each kind and language, then its templates."""
    for (kind, language), group in mine.groupby(["kind", "language"], sort=False):
        yield f"{kind}, {language}", group.iloc[:0]
        for template, part in group.groupby("template", sort=False):
            name = str(template)
            yield name if len(name) <= _LONG else f"{name[: _LONG - 1]}…", part


def _mark(axes: Any, at: float, row: dict[str, Any], before: set[tuple[str, str]]) -> None:
    ink = INK.get(str(row["readout"]), TEXT)
    key = (str(row["readout"]), str(row["template_split"]))
    label = None if key in before else ", ".join(key)
    before.add(key)
    if not math.isnan(row["balanced_low"]):
        axes.hlines(at, row["balanced_low"], row["balanced_high"], color=ink, linewidth=1.4)
    filled = ink if key[1] == "train" else "none"
    axes.plot(
        row["balanced_accuracy"], at, "o", color=ink, markerfacecolor=filled, label=label, clip_on=False
    )


def _across(axes: Any, label: str) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel(label)
    axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
