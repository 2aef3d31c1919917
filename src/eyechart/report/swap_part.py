"""Which tuned component brought the gain: Shapley bars, and what every combination of components gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.inside.shapley import GAIN, OVERALL
from eyechart.report.figures import COLOURS, TEXT
from eyechart.report.numbers import Number, place, points
from eyechart.report.part import Drawn, Part, drawn, grid
from eyechart.report.tables import Tables, pick, records
from eyechart.report.views import Grid
from eyechart.subjects.components import COMPONENTS

_READING = (
    "All combinations of untuned and tuned components answer the same question. A component's value is what "
    "it adds to the accuracy, averaged over all orders in which the components can be swapped in (Shapley); "
    "the values add up to the gain. A component's change may be worth nothing, or do harm, without another's."
)
_NAMES = {
    "vision": "vision encoder",
    "projector": "projector",
    "language": "language model",
    GAIN: "together",
}
_INK = dict(zip(_NAMES, (COLOURS[2], COLOURS[4], COLOURS[1], COLOURS[0]), strict=True))


def swap_part(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on swapped components; None where none were swapped.

    Args:
        tables: of the report.
        arms: the untuned arm and the best one, which is told first.
    """
    if "shapley" not in tables or "combinations" not in tables:
        return None
    values, combinations = tables["shapley"], tables["combinations"]
    known = list(dict.fromkeys(values["arm"]))
    ordered = [*(arm for arm in arms if arm in known), *(arm for arm in known if arm not in arms)]
    told = [_sentence(values, combinations, arm) for arm in ordered]
    mixed = [_combinations(combinations, arm) for arm in ordered if len(_changed(combinations, arm)) > 1]
    labels = [_labels(values, combinations, arm) for arm in ordered]
    return Part(
        lead=told[0],
        reading=_READING,
        also=(*_mixtures(combinations, ordered), *told[1:]),
        notes=tuple(_notes(values)),
        figures=(_figure(values, combinations, ordered),),
        grids=(*mixed[:1], labels[0]),
        folded=(*mixed[1:], *labels[1:]),
    )


def _changed(combinations: pd.DataFrame, arm: str) -> list[str]:
    """Return the components that the arm's tuning changed."""
    row = pick(combinations, arm=arm) or {"changed": ""}
    return [part for part in COMPONENTS if part in str(row["changed"]).split("+")]


def _shown(combinations: pd.DataFrame, arm: str) -> list[str]:
    """Return whose values are shown: one component alone is all of the gain."""
    changed = _changed(combinations, arm)
    return changed if len(changed) == 1 else [*changed, GAIN]


def _sentence(values: pd.DataFrame, combinations: pd.DataFrame, arm: str) -> str:
    """Say what an arm gained, and what of it each component is worth."""
    rows = {str(row["component"]): row for row in records(_of(values, arm, OVERALL))}
    changed, whole = _changed(combinations, arm), rows[GAIN]
    shares = ", ".join(f"the {_NAMES[part]} {points(Number.of(rows[part], 'value'))}" for part in changed)
    told = "; of these " + shares if len(changed) > 1 else ""
    if len(changed) == 1:
        told = f", all of it by the {_NAMES[changed[0]]}"
    gained = points(Number.of(whole, "value"))
    return f"{arm}: {gained} on {whole['n']} images of {whole['contents']} contents{told}."


def _mixtures(combinations: pd.DataFrame, arms: Sequence[str]) -> Iterator[str]:
    """Yield a sentence on each arm whose tuned components are worth less alone than the untuned subject."""
    for arm in arms:
        harm = [row for row in _distinct(combinations, arm) if place(_change(row), 0) == "below"]
        if harm:
            told = ", ".join(f"{_tuned(row)} alone {points(_change(row))}" for row in harm)
            yield f"{arm}: worse than the untuned subject is {told}."


def _notes(values: pd.DataFrame) -> Iterator[str]:
    """Yield a note on tensors that are one and the same."""
    shared = values[(values["shared"] != "") & (values["label"] == OVERALL)].drop_duplicates("shared")
    for row in records(shared):
        yield f"One tensor under several names, swapped with the {_NAMES[row['component']]}: {row['shared']}."


def _of(values: pd.DataFrame, arm: str, label: str) -> pd.DataFrame:
    return values[(values["arm"] == arm) & (values["label"] == label)]


def _distinct(combinations: pd.DataFrame, arm: str) -> list[dict[str, Any]]:
    """Return an arm's combinations, of components that tuning left as they were only the untuned ones."""
    mine = combinations[combinations["arm"] == arm]
    for part in set(COMPONENTS) - set(_changed(combinations, arm)):
        mine = mine[mine[part] == "base"]
    rows = [(_untuned(row), row) for row in records(mine)]
    return [row for _, row in sorted(rows, key=lambda one: (-sum(one[0]), one[0]))]


def _untuned(row: dict[str, Any]) -> list[bool]:
    return [row[part] == "base" for part in COMPONENTS]


def _tuned(row: dict[str, Any]) -> str:
    """Return a combination's name: its tuned components."""
    return "+".join(part for part in COMPONENTS if row[part] == "tuned") or "none"


def _change(row: dict[str, Any]) -> Number:
    return Number.of(row, "change", "change_low", "change_high")


def _cell(text: str) -> str:
    """Write a number so that its interval stands below it."""
    return text.replace(" (", "\n").rstrip(")")


def _combinations(combinations: pd.DataFrame, arm: str) -> Grid:
    rows = [
        (_tuned(row), [_cell(str(Number.of(row, "accuracy"))), _cell(points(_change(row)))])
        for row in _distinct(combinations, arm)
    ]
    heads = ("accuracy", "change from the untuned subject")
    return grid(f"Accuracy of every combination, {arm}", "tuned components", heads, rows)


def _labels(values: pd.DataFrame, combinations: pd.DataFrame, arm: str) -> Grid:
    parts = _shown(combinations, arm)
    rows = []
    for label in dict.fromkeys(values.loc[values["arm"] == arm, "label"]):
        mine = _of(values, arm, str(label))
        numbers = [Number.of(pick(mine, component=part) or {}, "value") for part in parts]
        rows.append((str(label), [_cell(points(number)) for number in numbers]))
    return grid(f"Shapley values by label, {arm}", "label", [_NAMES[part] for part in parts], rows)


def _figure(values: pd.DataFrame, combinations: pd.DataFrame, arms: Sequence[str]) -> Drawn:
    lines: list[tuple[str, dict[str, Any] | None]] = []
    for arm in arms:
        rows = {str(row["component"]): row for row in records(_of(values, arm, OVERALL))}
        lines += [(arm, None), *((_NAMES[part], rows[part]) for part in _shown(combinations, arm))]

    def draw(axes: Any) -> None:
        for y, (_, row) in enumerate(lines):
            if row is None:
                continue
            ink = _INK[str(row["component"])]
            axes.barh(y, 100 * row["value"], height=0.62, color=ink, alpha=0.45, linewidth=0)
            axes.hlines(y, 100 * row["low"], 100 * row["high"], color=ink, linewidth=1.6)
            axes.plot(100 * row["value"], y, "o", color=ink)
        axes.axvline(0, color=TEXT, linewidth=0.7)
        axes.set_yticks(range(len(lines)), [name for name, _ in lines])
        for tick, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
            tick.set_fontweight("bold" if row is None else "normal")
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_xlabel("points of accuracy")
        axes.grid(axis="x", color=TEXT, alpha=0.12, linewidth=0.5)

    overall = values[(values["label"] == OVERALL) & values["arm"].isin(arms)]
    words = "; ".join(
        f"{row['arm']} {row['component']} {100 * row['value']:+.1f}" for row in records(overall)
    )
    caption = "What each tuned component adds to the accuracy, with 95 % intervals by content."
    size = (5.6, 0.8 + 0.27 * len(lines))
    return drawn("shapley", f"Shapley values in points: {words}.", caption, size, draw)
