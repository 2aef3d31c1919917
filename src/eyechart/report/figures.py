"""Figures as inline SVG: transparent, in the page's text colour, with words for those who cannot see."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection
from html import escape
from typing import Any

import pandas as pd

from eyechart.report.tables import READOUTS, Tables, decisive_readout, records

TEXT = "#010203"  # stands for the page's text colour, which the browser fills in
# Each at least 3:1 against white and against near black, and told apart in the common colour blindnesses.
COLOURS = ("#767676", "#b8860b", "#0a8f6c", "#c2527a", "#3b7dd8", "#a0522d", "#7a5cc9")
INK = {"choose": COLOURS[4], "generate": COLOURS[1], "yes-no": COLOURS[2]}  # of each readout
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's colour
    "svg.hashsalt": "eyechart",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,
    "axes.edgecolor": TEXT,
    "axes.labelcolor": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
}
Draw = Callable[[Any], None]


def svg(name: str, words: str, size: tuple[float, float], draw: Draw) -> str:
    """Draw on one pair of axes and return it as an ``<svg>`` element.

    Args:
        name: unique on the page; prefixes every id inside.
        words: the alternative text.
        size: width and height, in inches of 72 points.
        draw: given the axes.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(buffer.getvalue(), name, words, size[0])


def _inline(text: str, name: str, words: str, width: float) -> str:
    """Make a stand-alone SVG file fit to sit inside a page that holds others."""
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body).replace("url(#", f"url(#{name}-")
    found = re.search(r'viewBox="([^"]+)"', text)
    box = found[1] if found else "0 0 100 100"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" '
        f'role="img" aria-label="{escape(words)}" style="--w:{72 * width:.0f}px" stroke-linejoin="round" '
        'stroke-linecap="butt">' + body.replace(TEXT, "currentColor").strip()
    )


def all_figures(tables: Tables, losses: pd.DataFrame | None, chance: float) -> dict[str, str]:
    """Return every figure that the tables allow: name to ``<svg>``."""
    found = {}
    if "kinds" in tables:
        found["arms"] = arms_figure(tables, chance)
        found["levels"] = levels_figure(tables["levels"], chance)
    if losses is not None:
        found["losses"] = losses_figure(losses)
    return found


def arms_figure(tables: Tables, chance: float) -> str:
    """Return balanced accuracy of every arm by readout and kind of template, with the baselines."""
    kinds = tables["kinds"]
    arms = list(dict.fromkeys(kinds["arm"]))
    asked = [name for name in READOUTS if name in set(kinds["readout"])]
    series = [(kind, readout) for kind in ("train", "held-out") for readout in asked]

    def draw(axes: Any) -> None:
        for i, (kind, readout) in enumerate(series):
            part = kinds[(kinds["template_split"] == kind) & (kinds["readout"] == readout)]
            if part.empty:
                continue
            where = [arms.index(arm) + 0.65 * ((i + 0.5) / len(series) - 0.5) for arm in part["arm"]]
            _points(
                axes,
                where,
                part,
                "balanced_",
                INK[readout],
                kind,
                readout,
            )
        axes.set_xticks(range(len(arms)), arms)
        axes.set_xlim(-0.5, len(arms) - 0.5)
        for label, level in _lines(tables, chance):
            axes.axhline(level, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
            axes.text(len(arms) - 0.48, level, label, va="center", fontsize=8.5)
        shares(axes, "balanced accuracy")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=9, handletextpad=0.3)

    words = "Balanced accuracy per arm with 95 % intervals. " + "; ".join(
        f"{row.arm} {row.readout} {row.template_split} {row.balanced_accuracy:.0%}"
        for row in kinds.itertuples()
    )
    return svg("arms", words, (9.0, 3.9), draw)


def _points(
    axes: Any, where: list[float], part: pd.DataFrame, start: str, colour: str, kind: str, readout: str
) -> None:
    value = part["balanced_accuracy"].to_numpy()
    low, high = part[f"{start}low"].to_numpy(), part[f"{start}high"].to_numpy()
    axes.vlines(where, low, high, color=colour, linewidth=1.6)
    filled = colour if kind == "train" else "none"
    axes.plot(where, value, "o", color=colour, markerfacecolor=filled, label=f"{readout}, {kind} wording")


def _lines(tables: Tables, chance: float) -> list[tuple[str, float]]:
    """Return the reference lines; baselines that lie on chance are named with it."""
    lines = {"chance": chance}
    for row in records(tables.get("baselines", pd.DataFrame())):
        lines[str(row["arm"])] = float(row["balanced_accuracy"])
    merged: dict[float, list[str]] = {}
    for label, level in lines.items():
        merged.setdefault(round(level, 2), []).append(label)
    return [(", ".join(names), lines[names[0]]) for names in merged.values()]


def levels_figure(levels: pd.DataFrame, chance: float) -> str:
    """Return accuracy by level (0 is clean) for every arm, by the readout that decides."""
    readout = decisive_readout(levels)
    mine = levels[levels["readout"] == readout]

    def draw(axes: Any) -> None:
        for i, (arm, part) in enumerate(mine.groupby("arm", sort=False)):
            part = part.sort_values("level")
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(
                part["level"], part["accuracy"], color=colour, marker=MARKERS[i % len(MARKERS)], label=arm
            )
            axes.fill_between(part["level"], part["low"], part["high"], color=colour, alpha=0.12, linewidth=0)
        axes.axhline(chance, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_xticks(sorted(mine["level"].unique()))
        axes.set_xlabel("level (0 is clean)")
        shares(axes, f"accuracy, {readout}")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))

    return svg(
        "levels",
        f"Accuracy by level of distortion for each arm, readout {readout}; chance is {chance:.1%}.",
        (9.0, 3.4),
        draw,
    )


def losses_figure(losses: pd.DataFrame) -> str:
    """Return the training loss by step for every tuned arm, smoothed over 5 % of its steps within a phase."""
    phases = losses["phase"] if "phase" in losses else pd.Series("", index=losses.index)

    def draw(axes: Any) -> None:
        for i, (arm, part) in enumerate(losses.groupby("arm", sort=False), start=1):
            window = max(1, len(part) // 20)
            for k, (_, stretch) in enumerate(part.groupby(phases, sort=False)):
                smooth = stretch["loss"].rolling(window, min_periods=1).mean()
                label = None if k else str(arm)  # one entry of the legend an arm
                axes.plot(stretch["step"], smooth, color=COLOURS[i % len(COLOURS)], label=label)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.set_ylim(bottom=0)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))

    ends = losses.groupby("arm", sort=False)["loss"].agg(["first", "last"])
    words = "; ".join(f"{row.Index} from {row.first:.2f} to {row.last:.2f}" for row in ends.itertuples())
    return svg("losses", f"Training loss by step: {words}.", (9.0, 3.2), draw)


def best_arm(tables: Tables, among: Collection[str] | None = None) -> str:
    """Return the arm with the highest balanced accuracy on the train templates.

    Args:
        tables: of the report.
        among: the arms from which it is chosen; None: from all.
    """
    arms = tables["arms"]
    if among is not None and not arms.empty:  # the table of a run without arms has no columns
        arms = arms[arms["arm"].isin(among)]
    if arms.empty:
        return "base"
    known = (f"train_{name}" for name in READOUTS if arms[f"train_{name}"].notna().any())
    scores = arms[next(known, f"train_{READOUTS[0]}")].fillna(-1)
    return str(arms["arm"].iloc[int(scores.to_numpy().argmax())])


def shares(axes: Any, label: str) -> None:
    """Make the upright axis one of shares, from 0 to 100 %."""
    from matplotlib.ticker import PercentFormatter

    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylabel(label)
    axes.grid(axis="y", color=TEXT, alpha=0.12, linewidth=0.5)
