"""The ladder: how well a probe names the label at each stage, beside its controls and the arm's answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.report.figures import COLOURS, TEXT
from eyechart.report.ladder_tables import SAID
from eyechart.report.numbers import Number, Place, percent, place
from eyechart.report.part import Drawn, Part, drawn, grid, share_cell
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid

_READING = (
    "At each stage a linear probe learns the label from images of some contents and is asked about others, "
    "every stage brought to the same dimension. Where its accuracy falls, the label is no longer there for "
    "the taking; that a probe reads it does not mean that the model does. Probes that learn shuffled labels "
    "must stay at chance; a copy of the model with random weights shows what its architecture gives alone."
)
_DOUBT = 0.001  # how rare so many failing controls would have to be by chance for the reader to be warned
_INK = (COLOURS[0], COLOURS[4])  # of the untuned arm and the best one
_RANDOM, _SHUFFLED = COLOURS[1], COLOURS[3]
_WIDTH = 5.0  # inches: a phone shows it whole


def ladder_part(tables: Tables, arms: Sequence[str], chance: float, skipped: str | None) -> Part | None:
    """Return the section on the ladder; None where no stage was probed.

    Args:
        tables: of the report.
        arms: the untuned arm and the best one.
        chance: of the labels.
        skipped: why the control with random weights was left out; None where it was not.
    """
    if "stages" not in tables:
        return None
    probed = list(dict.fromkeys(tables["stages"]["arm"]))
    shown = [arm for arm in arms if arm in probed] or probed[:1]
    told = [_sentence(tables, arm) for arm in shown]
    return Part(
        lead=told[0],
        reading=_READING,
        also=(*told[1:], *_controls(tables, shown[0], chance)),
        notes=tuple(_notes(tables, chance, skipped)),
        figures=(_figure(tables, shown, chance),),
        grids=(_grid(tables, shown[0]),),
        folded=tuple(_grid(tables, arm) for arm in probed if arm != shown[0]),
    )


def probed_stages(tables: Tables, arm: str, kind: str = "probe") -> pd.DataFrame:
    """Return the rows of one arm and kind of probe, in the order of the stages."""
    stages = tables["stages"]
    mine = stages[(stages["arm"] == arm) & (stages["kind"] == kind)]
    return mine.sort_values("order", kind="stable", ignore_index=True)


def _sentence(tables: Tables, arm: str) -> str:
    rows = records(probed_stages(tables, arm))
    best, last = max(rows, key=lambda row: float(row["accuracy"])), rows[-1]
    said = [
        f"{'chooses' if readout == 'choose' else 'writes'} {_level(row)}"
        for readout in SAID
        if (row := pick(tables.get("said"), arm=arm, readout=readout))
    ]
    projected = next((row for row in rows if row["stage"] == "projector output"), None)
    steps = [f"{arm}: the label is read best at {best['stage']}, {_level(best)}"]
    steps += [f"{row['stage']} {_level(row)}" for row in (projected, last) if row not in (None, best)]
    answers = f"; asked, the model {' and '.join(said)}" if said else ""
    return f"{', then '.join(steps)}{answers}."


def _level(row: dict[str, Any]) -> str:
    return str(Number.of(row, "accuracy"))


def _controls(tables: Tables, arm: str, chance: float) -> Iterator[str]:
    """Say what the controls beside an arm's probes found."""
    shuffled = records(probed_stages(tables, arm, "shuffled"))
    if shuffled:
        held = sum(_beside_chance(row, chance) == "cannot tell" for row in shuffled)
        levels = [row["accuracy"] for row in shuffled]
        yield (
            f"{arm}: probes that learnt shuffled labels lie within their interval of chance at {held} of "
            f"{len(shuffled)} stages (1 in 20 is expected not to) and reach {percent(min(levels))} to "
            f"{percent(max(levels))}."
        )
    random = records(probed_stages(tables, arm, "random"))
    if random:
        best = max(random, key=lambda row: float(row["accuracy"]))
        own = {row["stage"]: Number.of(row, "accuracy") for row in records(probed_stages(tables, arm))}
        above = sum(place(own[row["stage"]], Number.of(row, "accuracy")) == "above" for row in random)
        yield (
            f"With random weights the label is read best at {best['stage']}, {_level(best)}; {arm} lies "
            f"above its random copy at {above} of {len(random)} stages."
        )
    pixels = pick(tables["stages"], kind="pixels")
    if pixels:
        said = f"Ten statistics of the pixels, their squares and products name it in {_level(pixels)}"
        if "baselines" in tables:
            said += (
                "; learnt as the stages' probes are, from other test contents, too. Under Arms the ten alone "
                "are learnt, and from train images only, so that the two numbers differ"
            )
        yield f"{said}."


def _beside_chance(row: dict[str, Any], chance: float) -> Place:
    """Say where a control lies; its own chance is that of its answers, whose shares need not be even."""
    return place(Number.of(row, "accuracy"), row.get("chance", chance))


def _notes(tables: Tables, chance: float, skipped: str | None) -> Iterator[str]:
    from scipy.stats import binom

    stages = tables["stages"]
    for arm in dict.fromkeys(stages["arm"]):
        shuffled = records(probed_stages(tables, arm, "shuffled"))
        above = sum(_beside_chance(row, chance) == "above" for row in shuffled)
        if binom.sf(above - 1, len(shuffled), 0.025) < _DOUBT:
            yield (
                f"Beware: {above} of {len(shuffled)} probes of {arm} that learnt shuffled labels do better "
                "than chance, so that no stage of it can be trusted."
            )
    if skipped:
        yield f"The control with random weights was left out: {skipped}."


def _grid(tables: Tables, arm: str) -> Grid:
    """Return one row a stage: the probe and its controls; the arm's own answers close the table."""
    kinds = [kind for kind in ("probe", "random", "shuffled") if len(probed_stages(tables, arm, kind))]
    by_kind = {
        kind: {row["stage"]: _cell(row) for row in records(probed_stages(tables, arm, kind))}
        for kind in kinds
    }
    rows = [(stage, [by_kind[kind].get(stage, "–") for kind in kinds]) for stage in by_kind[kinds[0]]]
    empty = [""] * (len(kinds) - 1)
    pixels = pick(tables["stages"], arm=arm, kind="pixels")
    rows = ([(str(pixels["stage"]), [_cell(pixels), *empty])] if pixels else []) + rows
    rows += [
        (f"the model's own answer: {readout}", [_cell(row), *empty])
        for readout in SAID
        if (row := pick(tables.get("said"), arm=arm, readout=readout))
    ]
    heads = {"probe": "probe", "random": "random weights", "shuffled": "shuffled labels"}
    first = records(probed_stages(tables, arm))[0]
    caption = f"{arm}: accuracy by stage, {first['n']} images of {first['contents']} contents"
    return grid(caption, "stage", [heads[kind] for kind in kinds], rows)


def _cell(row: dict[str, Any]) -> str:
    return share_cell({**row, "accuracy_low": row["low"], "accuracy_high": row["high"]}, "accuracy")


def _figure(tables: Tables, arms: Sequence[str], chance: float) -> Drawn:
    """Draw the stages from top to bottom, so that their names are read without turning the head."""
    names = list(dict.fromkeys(stage for arm in arms for stage in probed_stages(tables, arm)["stage"]))
    ends = [f"answer: {name}" for name in SAID if pick(tables.get("said"), readout=name)]
    places = {name: i for i, name in enumerate([*names, *ends])}

    def draw(axes: Any) -> None:
        for kind, colour, label in (
            ("shuffled", _SHUFFLED, "shuffled labels"),
            ("random", _RANDOM, "random weights"),
        ):
            part = probed_stages(tables, arms[0], kind)
            where = [places[stage] for stage in part["stage"]]
            if where:
                axes.fill_betweenx(where, part["low"], part["high"], color=colour, alpha=0.13, linewidth=0)
                axes.plot(part["accuracy"], where, ":", color=colour, label=label)
        for k, (arm, colour) in enumerate(zip(arms, _INK, strict=False)):
            _of_arm(axes, tables, arm, places, colour, 0.16 * (k - (len(arms) - 1) / 2) * 2)
        _lines(axes, tables, chance)
        axes.set_yticks(range(len(places)), places)
        axes.set_ylim(len(places) - 0.4, -0.6)
        _accuracy_axis(axes, tables)
        axes.legend(loc="lower center", bbox_to_anchor=(0.3, 1.03), ncols=2, fontsize=9, handlelength=1.6)

    words = "; ".join(
        f"{arm}: " + ", ".join(f"{row['stage']} {row['accuracy']:.0%}" for row in records(part))
        for arm in arms
        for part in [probed_stages(tables, arm)]
    )
    caption = (
        "Accuracy of the probes from the first stage down to the model's own answers to the same images "
        "(open marks), with 95 % intervals by content. Dashed: chance, and ten statistics of the pixels."
    )
    size = (_WIDTH, 0.95 + 0.21 * len(places))
    return drawn("ladder", f"Accuracy by stage. {words}. Chance {chance:.1%}.", caption, size, draw)


def _of_arm(axes: Any, tables: Tables, arm: str, places: dict[str, int], colour: str, shift: float) -> None:
    """Draw one arm's probes and, below them, its own answers."""
    part = probed_stages(tables, arm)
    where = [places[stage] + shift for stage in part["stage"]]
    axes.hlines(where, part["low"], part["high"], color=colour, linewidth=1.6)
    axes.plot(part["accuracy"], where, "o-", color=colour, label=f"{arm}, probe")
    for readout in SAID:
        row = pick(tables.get("said"), arm=arm, readout=readout)
        if row:
            at = places[f"answer: {readout}"] + shift
            axes.hlines(at, row["low"], row["high"], color=colour, linewidth=1.6)
            axes.plot(row["accuracy"], at, "D", color=colour, markerfacecolor="none")


def _lines(axes: Any, tables: Tables, chance: float) -> None:
    pixels = pick(tables["stages"], kind="pixels")
    for label, level in (("chance", chance), ("pixels", pixels and pixels["accuracy"])):
        if level is not None:
            axes.axvline(level, color=TEXT, linewidth=0.7, linestyle=(0, (4, 3)))
            axes.annotate(
                label, (level, 1), (0, 2), textcoords="offset points", fontsize=8.5, ha="center",
                xycoords=("data", "axes fraction"), annotation_clip=False,
            )  # fmt: skip


def _accuracy_axis(axes: Any, tables: Tables) -> None:
    from matplotlib.ticker import PercentFormatter

    highest = max([tables["stages"]["high"].max(), *(tables["said"]["high"] if "said" in tables else [])])
    axes.set_xlim(0, min(1.0, 1.08 * highest))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("accuracy", labelpad=4)
    axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)
