"""Whether the place of an option draws answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eyechart.report.figures import COLOURS, TEXT, shares
from eyechart.report.numbers import Number, chance_of, decimal, percent
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
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid

_READING = (
    "A model that looks at the image answers alike in every order, and so chooses every place equally often, "
    "whatever it answers; the divergence from that (KL) is never below 0, so that the test decides."
)
_ALPHA = 0.05
_KEYS = ("arm", "template", "readout")


def option_order_part(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on the order of options; None where there was one order."""
    if "option_order" not in tables:
        return None
    rows = firsts(tables["option_order"], arms)
    told = [_sentence(row, tables) for row in rows]
    return Part(
        lead=told[0],
        reading=_READING,
        also=tuple(told[1:]),
        figures=tuple(_figure(row, tables) for row in rows),
        grids=(_grid(tables, arms),),
    )


def _sentence(row: dict[str, Any], tables: Tables) -> str:
    changed = number_of(row, "changed")
    said = (
        f"{called(row)}, {row['readout']}: {row['orders']} orders of the same options change the answer to "
        f"{changed} of the images; "
    )
    if not row["p_holm"] < _ALPHA:
        unsure = f"cannot tell at {row['contents']} contents that it prefers a place"
        return f"{said}{unsure} ({chance_of(row['p_holm'])})."
    favourite = max(records(_places(row, tables)), key=lambda one: one["share"] - one["expected"])
    number = Number.of(favourite, "share")
    return (
        f"{said}it prefers places ({chance_of(row['p_holm'])}), most of all place "
        f"{favourite['position'] + 1}: {number}, even would be {percent(favourite['expected'])}."
    )


def _places(row: dict[str, Any], tables: Tables) -> Any:
    table = tables["positions"]
    return table[(table[list(_KEYS)] == [row[key] for key in _KEYS]).all(axis=1)]


def _grid(tables: Tables, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(ranked(tables["option_order"], arms)):
        ends = [share_cell(row, name) for name in ("changed", "pair_changed")]
        kl = plain_cell(row, "kl", 3)
        test = [f"{row['chi_square']:.1f}", decimal(row["p_holm"])]
        rows.append((f"{called(row)}, {row['readout']}", [str(row["orders"]), *ends, kl, *test]))
    heads = ("orders", "images that change", "by two orders", "KL of places (nats)", "chi-square", "p (Holm)")
    return grid(
        "How far the answers depend on the order of the options", "arm, wording, readout", heads, rows
    )


def _figure(row: dict[str, Any], tables: Tables) -> Drawn:
    places = _places(row, tables)
    kind = (pick(tables["templates"], template=row["template"]) or {}).get("kind")
    names = [
        f"{i + 1}\n{chr(ord('A') + i)}" if kind == "letters" and i < 26 else str(i + 1)
        for i in places["position"]
    ]

    def draw(axes: Any) -> None:
        where = list(range(len(names)))
        axes.vlines(where, places["low"], places["high"], color=COLOURS[4], linewidth=1.6)
        axes.plot(where, places["share"], "o", color=COLOURS[4], label="chosen", clip_on=False)
        axes.plot(where, places["expected"], "_", color=TEXT, markersize=16, label="even")
        axes.set_xticks(where, names)
        axes.set_xlabel("place among the options")
        shares(axes, "share of answers")
        top = max(places["high"].max(), places["share"].max(), places["expected"].max())
        axes.set_ylim(0, min(1.0, 1.15 * top) or 1.0)
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=8.5, handletextpad=0.3)

    words = "; ".join(f"place {one['position'] + 1} {one['share']:.0%}" for one in records(places))
    caption = (
        f"{called(row)}, {row['readout']}: how often each place is chosen, with 95 % intervals; the short "
        "lines are where answers that do not depend on the order would lie."
    )
    return drawn(f"order-{row['arm']}", f"Chosen places, {row['arm']}: {words}.", caption, (5.0, 2.8), draw)
