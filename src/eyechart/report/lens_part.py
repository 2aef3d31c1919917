"""What the language model would say at the image's positions, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from eyechart.report.figures import TEXT
from eyechart.report.numbers import Number, percent, place
from eyechart.report.part import Drawn, Part, drawn, grid, number_of, share_cell
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid

_READING = (
    "Every state at an image's position goes through the model's own final normalisation and head; of each "
    "label the probability of its first token is kept, and its maximum over the positions. A lift of 4 says: "
    "four times as likely as on images of the same content with other labels; 1 says nothing of the label."
)


def lens_part(tables: Tables, arms: Sequence[str], chance: float) -> Part | None:
    """Return the section on the logit lens; None where it was not read.

    Args:
        tables: of the report; ``lens`` of :func:`eyechart.report.word_tables.lens_table`.
        arms: the untuned arm and the best one.
        chance: of the labels.
    """
    table = tables.get("lens")
    shown = [arm for arm in arms if table is not None and arm in set(table["arm"])]
    if table is None or not shown:
        return None
    told = [_sentence(table[table["arm"] == arm], arm, chance) for arm in shown]
    figures = [_heat(table, shown, "right_max"), _heat(table, shown, "lift_max")]
    return Part(
        lead=told[0],
        reading=_READING,
        also=tuple(told[1:]),
        figures=tuple(figures),
        grids=(_by_stage(table, shown),),
        folded=tuple(_probabilities(table, arm) for arm in shown),
    )


def _sentence(mine: pd.DataFrame, arm: str, chance: float) -> str:
    rows = records(mine[(mine["label"] == "all")])
    layers = [row for row in rows if row["stage"] != "language last position"] or rows
    best = max(layers, key=lambda row: float(row["right_max"]))
    right, lift = number_of(best, "right_max"), number_of(best, "lift_max")
    found = (
        f"{arm}: at the image's positions no stage makes the own label the likeliest more often than chance"
    )
    if place(right, chance) == "above":
        found = f"{arm}: at the image's positions the own label is more often the likeliest than chance"
    found += (
        f"; {best['stage']}, best of {len(layers)} stages, names it for {right} (chance {percent(chance)}), "
        f"lift {_times(lift)}"
    )
    last = pick(mine, label="all", stage="language last position")
    return f"{found}; where the answer begins: {number_of(last, 'right_max')}." if last else f"{found}."


def _times(lift: Number) -> str:
    return "–" if math.isnan(lift.value) else f"{lift.value:.2g} ({lift.low:.2g} to {lift.high:.2g})"


def _heat(table: pd.DataFrame, arms: Sequence[str], measure: str) -> Drawn:
    """Return stages by labels as heat maps, one an arm, side by side."""
    stages = [str(one) for one in dict.fromkeys(table.sort_values("order", kind="stable")["stage"])]
    labels = [str(one) for one in dict.fromkeys(table["label"])]
    labels = [*[one for one in labels if one != "all"], "all"]
    lift = measure.startswith("lift")
    values = {arm: _matrix(table[table["arm"] == arm], stages, labels, measure) for arm in arms}

    def draw(axes: Any) -> None:
        whole = axes.figure
        axes.remove()
        panels = whole.subplots(1, len(arms), sharey=True, squeeze=False)[0]
        for panel, arm in zip(panels, arms, strict=True):
            mesh = _panel(panel, values[arm], lift=lift)
            panel.set_title(arm, fontsize=10)
            panel.set_xticks(
                [i + 0.5 for i in range(len(labels))], labels, rotation=40, ha="right", rotation_mode="anchor"
            )
            panel.set_yticks([i + 0.5 for i in range(len(stages))], stages)
        bar = whole.colorbar(mesh, ax=list(panels), fraction=0.03, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label("lift, times" if lift else "own label is likeliest")
        ticks = (-3, 0, 3, 6) if lift else (0, 0.5, 1)
        bar.set_ticks(ticks, labels=[f"{2.0**t:g}" if lift else f"{100 * t:.0f} %" for t in ticks])

    told = "; ".join(
        f"{arm} {stage} {row[-1]:.2f}" for arm in arms for stage, row in zip(stages, values[arm], strict=True)
    )
    what = (
        "Lift of the own label's probability"
        if lift
        else "Share of images whose own label is the likeliest, in %"
    )
    caption = (
        f"{what}, by stage and label; maximum over the image's positions. The last column is over all labels."
    )
    name = "lens-lift" if lift else "lens-right"
    return drawn(name, f"{what}, over all labels: {told}.", caption, (9.4, 1.9 + 0.3 * len(stages)), draw)


def _matrix(part: pd.DataFrame, stages: Sequence[str], labels: Sequence[str], measure: str) -> Any:
    return (
        part.pivot(index="stage", columns="label", values=measure)
        .reindex(index=list(stages), columns=list(labels))
        .to_numpy()
    )


def _panel(axes: Any, values: Any, *, lift: bool) -> Any:
    """Draw one heat map with its numbers; the rows go down."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    rise = LinearSegmentedColormap.from_list("rise", [(0.23, 0.49, 0.85, 0.0), (0.23, 0.49, 0.85, 0.75)])
    both = LinearSegmentedColormap.from_list(
        "both", [(0.8, 0.45, 0.1, 0.75), (0.5, 0.5, 0.5, 0.0), (0.23, 0.49, 0.85, 0.75)]
    )
    shown, limits = (np.log2(values), (-6, 6)) if lift else (values, (0, 1))
    mesh = axes.pcolormesh(shown, cmap=both if lift else rise, vmin=limits[0], vmax=limits[1], linewidth=0)
    for row, column in np.ndindex(values.shape):
        text = "–" if np.isnan(values[row, column]) else _number(values[row, column], lift=lift)
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=7.5, color=TEXT)
    axes.set_ylim(len(values), 0)  # the first stage is above
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return mesh


def _number(value: float, *, lift: bool) -> str:
    return f"{value:.2g}" if lift else f"{100 * value:.0f}"


def _by_stage(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(table[(table["label"] == "all") & table["arm"].isin(arms)]):
        cells = [share_cell(row, "right_max"), share_cell(row, "right_mean")]
        cells += [_rank(row, "rank_max"), _lift(row, "lift_max"), _lift(row, "lift_mean")]
        rows.append((f"{row['arm']}, {row['stage']}", cells))
    heads = (
        *("own label is likeliest, by maximum", "by mean over positions", "its rank, by maximum"),
        *("lift, by maximum", "lift, by mean"),
    )
    return grid("The lens over all labels, with 95 % intervals", "arm, stage", heads, rows)


def _rank(row: dict[str, Any], name: str) -> str:
    number = number_of(row, name)
    return f"{number.value:.2f}\n{number.low:.2f} to {number.high:.2f}"


def _lift(row: dict[str, Any], name: str) -> str:
    number = number_of(row, name)
    return "–" if math.isnan(number.value) else f"× {number.value:.3g}\n{number.low:.3g} to {number.high:.3g}"


def _probabilities(table: pd.DataFrame, arm: str) -> Grid:
    mine = table[table["arm"] == arm]
    labels = list(dict.fromkeys(mine["label"]))
    rows = []
    for stage, part in mine.groupby("stage", sort=False):
        found = {row["label"]: row for row in records(part)}
        rows.append(
            (str(stage), [f"{found[label]['p_max']:.1e}" if label in found else "–" for label in labels])
        )
    caption = f"{arm}: probability of the own label's first token, maximum over the positions, geometric mean"
    return grid(caption, "stage", labels, rows)
