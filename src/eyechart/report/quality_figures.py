"""Figures on quality scores: score against target, bias by distortion, agreement by wording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from eyechart.quality.mapping import Mapping
from eyechart.quality.pictures import OPINION
from eyechart.report.figures import COLOURS, TEXT
from eyechart.report.part import Drawn, drawn
from eyechart.report.tables import records

_POINTS = 400  # of an arm that the scatter shows, spread over all
_INKS, _MARKS = (COLOURS[0], COLOURS[4]), ("o", "s")


def scatter_figure(points: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> Drawn:
    """Return score against target, image by image, with the fitted curve of each arm.

    Args:
        points: ``score_points``.
        rows: the first way's agreement of the untuned arm and of the best one.
    """
    corpus, kind = rows[0]["corpus"], rows[0]["target_kind"]
    target = "opinion score" if kind == OPINION else "stand-in (SSIM), not opinion"

    def draw(axes: Any) -> None:
        for row, ink, mark in zip(rows, _INKS, _MARKS, strict=False):
            mine = points[(points["arm"] == row["arm"]) & (points["corpus"] == corpus)]
            some = mine.iloc[np.linspace(0, len(mine) - 1, min(_POINTS, len(mine))).astype(int)]
            axes.scatter(some["score"], some["target"], 9, color=ink, marker=mark, alpha=0.45, linewidths=0)
            across = np.linspace(mine["score"].min(), mine["score"].max(), 60)
            axes.plot(across, curve_of(row)(across), color=ink, linewidth=2, label=row["arm"])
        axes.set_xlabel("score")
        axes.set_ylabel(target)
        axes.set_ylim(-0.03, 1.03)
        axes.grid(color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9)

    words = "; ".join(f"{row['arm']} SRCC {row['srcc']:.2f}" for row in rows)
    caption = (
        f"Each point an image of {corpus}: score by {rows[0]['template']} against {target}, 0 to 1. Lines: "
        "the fitted logistic curves."
    )
    return drawn("score-scatter", f"Score against {target}: {words}.", caption, (5.0, 4.2), draw)


def curve_of(row: dict[str, Any]) -> Mapping:
    """Return the fitted curve that a row of ``score_agreement`` tells."""
    found = [float(row.get(f"b{i}", math.nan)) for i in range(1, 5)]
    known = tuple(one for one in found if not math.isnan(one))
    return Mapping(str(row["mapping"]), known or (math.nan,), True)  # NaN: too few images for a curve


def bias_figure(table: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> Drawn | None:
    """Return the bias by true label (or fine type, where there are no labels) with its intervals."""
    first = rows[0]
    keys = ["template", "readout", "target_kind"]
    way = table[(table[keys] == [first[key] for key in keys]).all(axis=1)]
    by = "label" if (way["by"] == "label").any() else "distortion"
    way = way[(way["by"] == by) & way["arm"].isin([row["arm"] for row in rows])]
    groups = list(dict.fromkeys(way["group"]))
    if not groups:
        return None
    arms = [str(row["arm"]) for row in rows]

    def draw(axes: Any) -> None:
        for i, (arm, ink) in enumerate(zip(arms, _INKS, strict=False)):
            mine = way[way["arm"] == arm].set_index("group")
            for y, group in enumerate(groups):
                if group not in mine.index:
                    continue
                row, at = mine.loc[group], y + 0.36 * (i - (len(arms) - 1) / 2)
                axes.barh(at, row["bias"], 0.3, color=ink, alpha=0.55, label=None if y else arm)
                if not math.isnan(row["bias_low"]):
                    axes.hlines(at, row["bias_low"], row["bias_high"], color=ink, linewidth=1.6)
        axes.axvline(0, color=TEXT, linewidth=0.7)
        axes.set_yticks(range(len(groups)), groups)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.set_xlabel("score minus that of images of equal target")
        axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9)

    words = "; ".join(f"{row['arm']} {row['group']} {row['bias']:+.3f}" for row in records(way))
    target = "opinion" if first["target_kind"] == OPINION else "the stand-in (SSIM), not opinion"
    caption = (
        f"Bias by true {by} against {target}, {first['template']}, with 95 % intervals. To the right: scored "
        "too well beside others of equal target."
    )
    return drawn("score-bias", f"Bias of the score: {words}.", caption, (5.0, 1.2 + 0.34 * len(groups)), draw)


def wordings_figure(table: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> Drawn:
    """Return the rank correlation of every way with its interval."""
    arms, corpus = [str(row["arm"]) for row in rows], rows[0]["corpus"]
    mine = table[table["arm"].isin(arms) & (table["corpus"] == corpus)]
    names = list(dict.fromkeys(zip(mine["template"], mine["readout"], mine["kind"], strict=True)))

    def draw(axes: Any) -> None:
        for i, (arm, ink, mark) in enumerate(zip(arms, _INKS, _MARKS, strict=False)):
            own = mine[mine["arm"] == arm].set_index(["template", "readout"])
            for y, (template, readout, _) in enumerate(names):
                if (template, readout) not in own.index:
                    continue
                row, at = own.loc[(template, readout)], y + 0.24 * (i - (len(arms) - 1) / 2)
                if not math.isnan(row["srcc_low"]):
                    axes.hlines(at, row["srcc_low"], row["srcc_high"], color=ink, linewidth=1.4)
                axes.plot(row["srcc"], at, mark, color=ink, label=None if y else arm, clip_on=False)
        axes.axvline(0, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        labels = [f"{t} (text)" if k == "levels" and r == "text" else t for t, r, k in names]
        axes.set_yticks(range(len(names)), labels)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(-1, 1)
        axes.set_xlabel("SRCC")
        axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=9)

    words = "; ".join(f"{row['arm']} {row['template']} {row['srcc']:.2f}" for row in records(mine))
    caption = "Rank correlation by wording, with 95 % intervals: the same images, another question."
    return drawn("score-wordings", f"SRCC by wording: {words}.", caption, (5.0, 1.1 + 0.3 * len(names)), draw)
