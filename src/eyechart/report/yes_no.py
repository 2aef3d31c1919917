"""What the questions "is there LABEL?" tell: how well labels are told apart, and the bias to yes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from eyechart.report.figures import COLOURS, MARKERS, TEXT
from eyechart.report.numbers import place
from eyechart.report.part import (
    Drawn,
    Part,
    called,
    drawn,
    firsts,
    grid,
    number_of,
    plain_cell,
    ranked,
    share_cell,
)
from eyechart.report.tables import Tables, records
from eyechart.report.views import Grid

_READING = (
    "Each label is asked about alone: d′ says how well its images are told from others (0 not at all, 1 a "
    "little, 3 well), the criterion how it leans whatever it sees (below 0 to yes, above 0 to no)."
)


def yes_no(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on yes-no questions; None where none were asked."""
    if "detection" not in tables:
        return None
    mains = [_of(row, tables) for row in firsts(tables["detection"], arms)]
    told = [_sentence(main) for main in mains]
    return Part(
        lead=told[0],
        reading=_READING,
        also=tuple(told[1:]),
        notes=tuple(_same(mains)),
        figures=(
            _figure(mains, "d_prime", "d′", "0 is chance"),
            _figure(mains, "criterion", "criterion", "below 0 leans to yes"),
        ),
        grids=(_grid(tables, arms),),
    )


def _of(first: dict[str, Any], tables: Tables) -> list[dict[str, Any]]:
    table, keys = tables["detection"], ["arm", "template"]
    return records(table[(table[keys] == [first[key] for key in keys]).all(axis=1)])


def _sentence(rows: list[dict[str, Any]]) -> str:
    told = [str(row["label"]) for row in rows if place(number_of(row, "d_prime"), 0) == "above"]
    seen = f"tells {', '.join(told)} from the others" if told else "tells no label from the others"
    sides = [place(number_of(row, "criterion"), 0) for row in rows]
    return (
        f"{called(rows[0])}: {seen} ({len(told)} of {len(rows)} labels, d′ above 0); it leans "
        f"to yes for {sides.count('below')} of them, to no for {sides.count('above')}."
    )


def _same(mains: list[list[dict[str, Any]]]) -> Iterator[str]:
    """Yield one note on the labels about which every image gets the same answer."""
    told = [
        f"{rows[0]['arm']} always says {word}, asked about {', '.join(labels)}"
        for rows in mains
        for word in ("yes", "no")
        if (labels := [str(row["label"]) for row in rows if _always(row) == word])
    ]
    if told:
        yield (f"{'; '.join(told)}. There no d′ is defined; the AUC may still tell.")


def _always(row: dict[str, Any]) -> str | None:
    """Return what a label's question is always answered with, None if both occur; undoes the correction."""
    if math.isnan(row["hit_rate"]) or math.isnan(row["false_alarm_rate"]):
        return None
    present, absent = row["present"], row["absent"]
    hits, alarms = row["hit_rate"] * (present + 1) - 0.5, row["false_alarm_rate"] * (absent + 1) - 0.5
    yes = round(hits + alarms)
    return "no" if yes == 0 else "yes" if yes == present + absent else None


def _grid(tables: Tables, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(ranked(tables["detection"], arms)):
        rates = [share_cell(row, name) for name in ("hit_rate", "false_alarm_rate")]
        measured = [plain_cell(row, name) for name in ("d_prime", "criterion", "auc")]
        rows.append((f"{called(row)}: {row['label']}", [*rates, *measured]))
    heads = ("hits", "false alarms", "d′", "criterion", "AUC")
    return grid("Signal detection per label", "arm, wording: label", heads, rows)


def _figure(mains: list[list[dict[str, Any]]], name: str, called_so: str, told: str) -> Drawn:
    labels, arms = [str(row["label"]) for row in mains[0]], [str(rows[0]["arm"]) for rows in mains]

    def draw(axes: Any) -> None:
        for i, rows in enumerate(mains):
            ink, shift = COLOURS[(0, 4)[i]], 0.2 * (i - (len(mains) - 1) / 2)
            rows = [row for row in rows if not math.isnan(row[name])]
            where = [labels.index(str(row["label"])) + shift for row in rows]
            axes.hlines(
                where, *([row[f"{name}_{end}"] for row in rows] for end in ("low", "high")), color=ink
            )
            values = [row[name] for row in rows]
            axes.plot(values, where, MARKERS[i], color=ink, linestyle="none", label=arms[i])
        axes.axvline(0, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_xlabel(f"{called_so} ({told})")
        axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9, handletextpad=0.3)

    said = "; ".join(f"{row['arm']} {row['label']} {row[name]:.2f}" for rows in mains for row in rows)
    caption = f"{called_so} per label, {mains[0][0]['template']}, with 95 % intervals."
    return drawn(f"yes-no-{name}", f"{called_so}: {said}.", caption, (5.0, 1 + 0.32 * len(labels)), draw)
