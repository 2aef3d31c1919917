"""How near the images lie to the words of their labels, before and after tuning."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.inside.contextual import SENTENCES
from eyechart.report.figures import COLOURS, MARKERS, TEXT, shares
from eyechart.report.numbers import Number, chance_of, decimal, interval, percent, place, plain, points
from eyechart.report.part import Drawn, Part, drawn, grid
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid
from eyechart.subjects.stages import PROJECTED

_READING = (
    "Cosine of each projected visual token with the input embedding of a label's word (of several tokens, "
    "their mean), then the mean over the tokens; the distance is 1 minus that. Images and words lie in "
    "different cones, which is most of what raw cosines show; for centred ones the mean token and the mean "
    "embedding of the vocabulary are taken away. Only what is nearer to its own label than to others counts."
)
_HEADS = {
    "distance": "distance",
    "margin": "margin to the best other",
    "rank": "rank",
    "argmax": "own label is nearest",
    "excess": "nearer than unrelated words",
    "matched_right": "unrelated words are right",
}
_SAID = {
    "next_token_p": "p of the first token",
    "full_p": "p of the whole answer",
    "argmax_next": "own label is likeliest next",
}
_SHARES = ("argmax", "matched_right", "argmax_next", "next_token_p", "full_p")
_RELATIVE = ("distance", "next_token_p", "full_p")  # measures of which a share means something
_LEAST = 0.001  # shares under this are written as powers of ten
_POOLS = {"": "mean over the tokens", "_max": "nearest token", "_top": "mean of the nearest tenth"}
ALPHA = 0.05


def distance_part(tables: Tables, arms: Sequence[str], chance: float) -> Part | None:
    """Return the section on semantic distance; None where it was not measured.

    Args:
        tables: of the report.
        arms: the untuned arm and the best one.
        chance: of the labels.
    """
    table = tables.get("distance")
    if table is None:
        return None
    lead, *told = [
        *(_nearest(tables, arm, chance) for arm in arms if pick(table, arm=arm)),
        *_moved(table),
    ] or ["No arm was measured."]
    contextual = tables.get("contextual")
    figures = [_figure(table)] + ([_layers(contextual, chance)] if contextual is not None else [])
    folded = [_grid(table, "raw", "", "Raw cosines")]
    folded += [
        _grid(table, kind, pool, f"{kind.capitalize()} cosines, {words}")
        for kind in ("centred", "raw")
        for pool, words in _POOLS.items()
        if pool and f"{kind}{pool}_margin" in set(table["measure"])
    ]
    return Part(
        lead=lead,
        reading=_READING,
        also=tuple(told),
        figures=tuple(figures),
        grids=(_grid(table, "centred", "", "Centred cosines, mean over the tokens"), _answers(table)),
        folded=(*folded, *_controls(tables)),
    )


def _nearest(tables: Tables, arm: str, chance: float) -> str:
    """Return what an arm's images are nearest to, against chance and exchanged labels."""
    right = Number.of(pick(tables["distance"], arm=arm, measure="centred_argmax") or {}, "value")
    told = {
        "above": "more often than chance",
        "below": "less often than chance",
        "cannot tell": "which cannot be told from chance",
    }[place(right, chance)]
    test = pick(tables.get("controls"), arm=arm, stage=PROJECTED, kind="centred", pool="mean", measure="own")
    p = (
        ""
        if test is None or math.isnan(test["p"])
        else f"; labels exchanged within contents: {chance_of(test['p'])}"
    )
    return (
        f"{arm}: {right} of the images lie nearest to the word of their own label, {told} "
        f"({percent(chance)}){p}."
    )


def _moved(table: pd.DataFrame) -> Iterator[str]:
    """Yield how each tuned arm has moved the images towards their labels."""
    words = {
        "below": "the images have come nearer to their labels",
        "above": "the images have gone farther from their labels",
        "cannot tell": "cannot tell whether the images have come nearer to their labels",
    }
    for arm in dict.fromkeys(table["arm"]):
        own = pick(table, arm=arm, measure="centred_distance") or {}
        margin = pick(table, arm=arm, measure="centred_margin") or {}
        if math.isnan(own.get("change", math.nan)):
            continue
        change = Number.of(own, "change", "change_low", "change_high")
        beyond = Number.of(margin, "change", "change_low", "change_high")
        told = {"above": "it grows", "below": "it shrinks"}.get(place(beyond, 0), "cannot tell a change")
        if _none(change) and _none(beyond):
            yield f"{arm}: the images lie as near to their labels as before: the same distances."
            continue
        share = _share(own)
        yield (
            f"{arm}: {words[place(change, 0)]}: distance {_signed(change)}{f', {share}' if share else ''}; "
            f"margin to the best other label {_signed(beyond)}: {told}."
        )


def _none(change: Number) -> bool:
    """Say whether a change is no more than rounding: 0.000 (0.000 to 0.000)."""
    return max(abs(change.value), abs(change.low), abs(change.high)) < 0.0005


def _signed(change: Number) -> str:
    value, ends = plain(change, 3)
    return f"{'+' if change.value > 0 else ''}{value} ({ends})"


def _share(row: dict[str, Any]) -> str:
    """Return a relative change with its interval; empty where it means nothing."""
    number = Number.of(row, "relative_change", "relative_low", "relative_high")
    if math.isnan(number.value):
        return ""
    if number.value > 9:  # past tenfold per cents say little
        return f"× {1 + number.value:,.0f} ({1 + number.low:,.0f} to {1 + number.high:,.0f})"
    sign = "+" if number.value > 0 else ""
    return f"{sign}{percent(number.value)} ({interval(number.low, number.high)})"


def _grid(table: pd.DataFrame, kind: str, pool: str, caption: str) -> Grid:
    names = {f"{kind}{pool}_{name}": head for name, head in _HEADS.items()}
    return _by_arm(
        table, names, f"{caption}; below each its interval and its change against the untuned model"
    )


def _answers(table: pd.DataFrame) -> Grid:
    caption = (
        "What the answers say, in the words of the first train template; changes against the untuned model"
    )
    return _by_arm(table, _SAID, caption)


def _by_arm(table: pd.DataFrame, names: dict[str, str], caption: str) -> Grid:
    known = {name: head for name, head in names.items() if name in set(table["measure"])}
    rows = []
    for arm, part in table.groupby("arm", sort=False):
        found = {str(row["measure"]): row for row in records(part)}
        rows.append((str(arm), [_cell(found.get(name), name) for name in known]))
    return grid(caption, "arm", list(known.values()), rows)


def _cell(row: dict[str, Any] | None, measure: str) -> str:
    """Return value, interval, and change: relative where that means something, else as it is."""
    if row is None or math.isnan(row["value"]):
        return "–"
    number = Number.of(row, "value")
    if 0 < number.value < _LEAST and measure in _SAID:
        lines = [f"{number.value:.1e}", f"{number.low:.1e} to {number.high:.1e}"]
    elif measure.endswith(_SHARES):
        lines = [percent(number.value), interval(number.low, number.high)]
    else:
        lines = list(plain(number, 2 if measure.endswith("rank") else 3))
    change = Number.of(row, "change", "change_low", "change_high")
    if not math.isnan(change.value):
        share = _share(row) if measure.endswith(_RELATIVE) else ""
        moved = share or (points(change) if measure.endswith(_SHARES) else _signed(change))
        lines += moved.rstrip(")").split(" (")
    return "\n".join(lines)


def _controls(tables: Tables) -> list[Grid]:
    """Return the p-values of labels exchanged within contents, by arm and stage."""
    table = tables.get("controls")
    if table is None:
        return []
    mine = table[(table["measure"] == "own") | (table["measure"] == "right")]
    keys = [
        (kind, pool, measure)
        for kind in ("centred", "raw")
        for pool in ("mean", "max")
        for measure in ("own", "right")
    ]
    heads = [f"{kind}, {pool}: {'cosine' if measure == 'own' else 'nearest'}" for kind, pool, measure in keys]
    rows = []
    for (arm, stage), part in mine.groupby(["arm", "stage"], sort=False):
        found = {(row["kind"], row["pool"], row["measure"]): row for row in records(part)}
        rows.append((f"{arm}, {stage}", [_p(found.get(key)) for key in keys]))
    caption = (
        "One-sided p of “no nearer to the own label than to those of the content's other images”: labels "
        "exchanged within each content"
    )
    return [grid(caption, "arm, stage", heads, rows)]


def _p(row: dict[str, Any] | None) -> str:
    if row is None or math.isnan(row["p"]):
        return "–"
    return "< 0.001" if row["p"] < 0.001 else decimal(row["p"])


def _figure(table: pd.DataFrame) -> Drawn:
    """Return the centred cosine with the own label and with unrelated words, by arm."""
    arms = list(dict.fromkeys(table["arm"]))
    series = {
        "centred_own": ("own label", COLOURS[4], "o"),
        "centred_matched": ("unrelated words as frequent", COLOURS[0], "s"),
    }
    parts = {name: table[(table["measure"] == name) & table["value"].notna()] for name in series}

    def draw(axes: Any) -> None:
        for i, (name, (label, ink, marker)) in enumerate(series.items()):
            part = parts[name]
            where = [arms.index(arm) + 0.16 * (i - 0.5) for arm in part["arm"]]
            axes.vlines(where, part["low"], part["high"], color=ink, linewidth=1.6)
            axes.plot(where, part["value"], marker, color=ink, label=label)
        axes.axhline(0, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(arms)), arms)
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.set_ylabel("centred cosine")
        axes.grid(axis="y", color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9, handletextpad=0.3)

    words = "; ".join(
        f"{row.arm} {series[str(row.measure)][0]} {row.value:.3f}"
        for part in parts.values()
        for row in part.itertuples()
    )
    caption = (
        "Centred cosine, mean over tokens and images, with 95 % intervals. Unrelated words are those nearest "
        "to the label in the order of the tokenizer, which is that of frequency."
    )
    return drawn("distance", f"Centred cosine per arm: {words}.", caption, (9.0, 3.4), draw)


def _layers(table: pd.DataFrame, chance: float) -> Drawn:
    """Return how often the own label's state is nearest, by layer of the language model, of every arm."""
    arms = list(dict.fromkeys(table["arm"]))
    mine = table[table["measure"] == "centred_argmax"].sort_values("order", kind="stable")
    stages = list(dict.fromkeys(mine["stage"]))

    def draw(axes: Any) -> None:
        for i, arm in enumerate(arms):
            part, ink = mine[mine["arm"] == arm], COLOURS[i % len(COLOURS)]
            where = [stages.index(stage) for stage in part["stage"]]
            axes.plot(where, part["value"], color=ink, marker=MARKERS[i % len(MARKERS)], label=arm)
            axes.fill_between(where, part["low"], part["high"], color=ink, alpha=0.15, linewidth=0)
        axes.axhline(chance, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(stages)), stages)
        shares(axes, "own label is nearest")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)

    words = "; ".join(f"{row.arm} {row.stage} {row.value:.0%}" for row in mine.itertuples())
    told = ", ".join(f"“{sentence} …”" for sentence in SENTENCES)
    caption = (
        "Inside the language model: share of the images whose positions lie nearest to their own label's "
        f"word, as the same layer holds it at the end of {told} (mean of these; centred). Dashed: chance."
    )
    return drawn("contextual", f"Own label nearest by layer: {words}.", caption, (9.0, 3.4), draw)
