"""How the choice is read, and what is said where there is nothing to see."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from eyechart.measures.choosing import FULL
from eyechart.report.figures import COLOURS, TEXT
from eyechart.report.numbers import Number, percent, place, plain, points
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
    "The label whose answer is likeliest is chosen: raw, per token (divided by the answer's length), or "
    "prior-corrected (minus the same on an image of one colour); differences are on the same images."
)
_TOLD = {"above": "better than raw", "below": "worse than raw", "cannot tell": "cannot tell a difference"}
_KEYS = ("arm", "template", "readout")
_EVEN = 1.5  # times chance: how much a blank image may favour one label before the page says so


def choosing(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on the ways to read the choice; None without likelihoods."""
    table = tables.get("readings")
    if table is None:
        return None
    others = table[~table["reading"].isin((FULL, "first token"))]
    told = [_sentence(row, others) for row in firsts(others, arms)] or [
        "Only the raw log-likelihood is stored, so that there is one way to read the choice."
    ]
    bias = firsts(tables["prior_bias"], arms) if "prior_bias" in tables else []
    return Part(
        lead=told[0],
        reading=_READING,
        also=(*told[1:], *(_follows(row, tables) for row in bias)),
        figures=tuple(_figure(row, tables) for row in bias),
        grids=(_grid(tables, arms),),
        folded=(_bias_grid(tables, arms),) if bias else (),
    )


def _sentence(first: dict[str, Any], others: Any) -> str:
    same = (others["arm"] == first["arm"]) & (others["template"] == first["template"])
    told = []
    for row in records(others[same & (others["readout"] == first["readout"])]):
        change = number_of(row, "balanced_difference")
        same_answers = change.low == change.high == 0
        verdict = "the same" if same_answers else _TOLD[place(change, 0)]
        told.append(f"{row['reading']} {points(change)}, {verdict}")
    return f"{called(first)}, balanced accuracy against raw: {'; '.join(told)}."


def _follows(row: dict[str, Any], tables: Tables) -> str:
    chance = 1 / tables["prior"]["label"].nunique()
    even = row["prior"] < _EVEN * chance
    drawn_to = "hardly prefers a label" if even else f"leans to {row['favourite']}"
    said = f"{row['arm']}: shown nothing, it {drawn_to} ({percent(row['prior'])} for {row['favourite']}, "
    follows = number_of(row, "correlation")
    if math.isnan(follows.value):
        return f"{said}even would be {percent(chance)})."
    told = {
        "above": "its answers to images follow that prior",
        "below": "its answers to images go against that prior",
        "cannot tell": "cannot tell that its answers to images follow it",
    }[place(follows, 0)]
    return f"{said}even would be {percent(chance)}); {told}: correlation {_told(follows)}."


def _told(number: Number) -> str:
    value, interval = plain(number)
    return f"{value} ({interval})"


def _grid(tables: Tables, arms: Sequence[str]) -> Grid:
    rows = []
    for _, part in ranked(tables["readings"], arms).groupby(list(_KEYS), sort=False):
        found = {row["reading"]: row for row in records(part)}
        full = found[FULL]
        moved = [
            _moved(found[way]) if way in found else "–"
            for way in ("per token", "prior-corrected", "first token")
        ]
        cells = [share_cell(full, "balanced_accuracy"), *moved]
        rows.append((f"{called(full)}, {full['readout']}", cells))
    heads = ("raw", "per token", "prior-corrected", "first token")
    caption = "Balanced accuracy raw; what the other ways would have scored, and the difference in points"
    return grid(caption, "arm, wording, readout", heads, rows)


def _moved(row: dict[str, Any]) -> str:
    change = points(number_of(row, "balanced_difference")).replace(" points", "")
    return f"{percent(row['balanced_accuracy'])}\n{change}"


def _bias_grid(tables: Tables, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(ranked(tables["prior_bias"], arms)):
        measured = [plain_cell(row, name) for name in ("kl_from_uniform", "correlation")]
        rows.append((called(row), [str(row["favourite"]), percent(row["prior"]), *measured]))
    heads = ("favourite", "its prior", "KL from even (nats)", "correlation with the answers")
    return grid("The prior on the image without content", "arm, wording", heads, rows)


def _figure(row: dict[str, Any], tables: Tables) -> Drawn:
    prior, named = (
        table[(table[list(_KEYS)] == [row[key] for key in _KEYS]).all(axis=1)]
        for table in (tables["prior"], tables["named"])
    )
    labels = [str(label) for label in prior["label"]]
    where = list(range(len(labels)))

    def draw(axes: Any) -> None:
        from matplotlib.ticker import PercentFormatter

        axes.barh(where, named["share"], height=0.5, color=COLOURS[4], alpha=0.45, label="answers to images")
        axes.hlines(where, named["low"], named["high"], color=COLOURS[4], linewidth=1.4)
        axes.plot(prior["prior"], where, "D", color=COLOURS[5], label="prior, shown nothing")
        axes.plot(prior["true_share"], where, "|", color=TEXT, markersize=12, label="true share")
        axes.set_yticks(where, labels)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=3, fontsize=8.5, handletextpad=0.3)

    shares = zip(labels, named["share"], prior["prior"], strict=True)
    said = "; ".join(f"{label} {share:.0%}, prior {before:.0%}" for label, share, before in shares)
    words = f"Shares of the answers, {row['arm']}: {said}."
    caption = (
        f"{row['arm']}, {row['template']}: how often each label is chosen (bars, 95 % intervals), and the "
        "prior on an image without content. Bars that follow the diamonds instead of the ticks are bias."
    )
    return drawn(f"prior-{row['arm']}", words, caption, (5.0, 1 + 0.3 * len(labels)), draw)
