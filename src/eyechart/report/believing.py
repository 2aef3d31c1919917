"""How far the probabilities of the choice can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eyechart.report.figures import COLOURS, TEXT, shares
from eyechart.report.numbers import count, percent, place, points
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
    "Of choices made with 80 % confidence 80 % should be right, which is on the diagonal; ECE is the mean "
    "distance from it (15 bins), and Brier (0 to 2) and NLL grow with every wrong probability."
)
_TOLD = {
    "above": "is overconfident",
    "below": "is underconfident",
    "cannot tell": "cannot be told from well calibrated on average",
}


def believing(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on calibration; None without likelihoods."""
    table = tables.get("calibration")
    if table is None:
        return None
    rows = firsts(table, arms)
    told = [_sentence(row) for row in rows]
    return Part(
        lead=told[0],
        reading=_READING,
        also=tuple(told[1:]),
        notes=tuple(note for row in rows if (note := _biased(row, tables))),
        figures=(_figure(rows, tables),),
        grids=(_grid(tables, arms),),
    )


def _sentence(row: dict[str, Any]) -> str:
    over, ece = number_of(row, "overconfidence"), number_of(row, "ece")
    return (
        f"{called(row)} {_TOLD[place(over, 0)]}: confidence {percent(row['confidence'])} minus accuracy "
        f"{percent(row['confidence'] - over.value)} is {points(over)}; ECE {ece}."
    )


def _biased(row: dict[str, Any], tables: Tables) -> str:
    """Say so where chance alone makes up much of an ECE."""
    bins = _bins(row, tables)
    confidence, n = bins["confidence"].to_numpy(), bins["n"].to_numpy()
    # Mean distance of a mean of n zeros and ones from its expectation, by the normal distribution.
    alone = float((n * np.sqrt(2 / np.pi * confidence * (1 - confidence) / n)).sum() / n.sum())
    if row["ece"] > 2 * alone:
        return ""
    return (
        f"ECE is biased upwards here: with {row['n']} images, {called(row)} would show about "
        f"{percent(alone)} even if its probabilities were exact (it shows {percent(row['ece'])})."
    )


def _bins(row: dict[str, Any], tables: Tables) -> Any:
    table, keys = tables["reliability"], ["arm", "template"]
    return table[(table[keys] == [row[key] for key in keys]).all(axis=1)]


def _grid(tables: Tables, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(ranked(tables["calibration"], arms)):
        over = points(number_of(row, "overconfidence")).replace(" (", "\n").rstrip(")")
        cells = [share_cell(row, "ece"), over, plain_cell(row, "brier"), plain_cell(row, "nll")]
        rows.append((called(row), [str(row["n"]), *cells]))
    heads = ("images", "ECE", "confidence minus accuracy", "Brier", "NLL (nats)")
    return grid("Calibration of the choice", "arm, wording", heads, rows)


def _figure(rows: Sequence[dict[str, Any]], tables: Tables) -> Drawn:
    parts = [(str(row["arm"]), _bins(row, tables)) for row in rows]

    def draw(axes: Any) -> None:
        from matplotlib.ticker import PercentFormatter

        axes.plot([0, 1], [0, 1], color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        for i, (arm, bins) in enumerate(parts):
            ink, size = COLOURS[(0, 4)[i]], 12 + 90 * bins["n"] / bins["n"].sum()
            axes.vlines(bins["confidence"], bins["low"], bins["high"], color=ink, linewidth=1.2)
            axes.plot(bins["confidence"], bins["accuracy"], color=ink, linewidth=1)
            axes.scatter(
                bins["confidence"],
                bins["accuracy"],
                size,
                color=ink,
                marker="os"[i],
                label=arm,
                clip_on=False,
            )
        shares(axes, "right")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel("confidence of the choice")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9, handletextpad=0.3)

    words = "; ".join(
        f"{arm} at {one['confidence']:.0%}: {one['accuracy']:.0%} right of {count(one['n'])}"
        for arm, bins in parts
        for one in records(bins)
    )
    caption = (
        f"Share of right choices by confidence, {rows[0]['template']}, with 95 % intervals; larger points "
        "hold more images. Below the dashed diagonal the model is surer than it is right."
    )
    return drawn("reliability", f"Reliability of the choice: {words}.", caption, (4.8, 4.2), draw)
