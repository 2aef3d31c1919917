"""The four questions of an exam answered in plain words, by conditions on numbers and intervals alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from eyechart.measures.comparison import compare_arms
from eyechart.report.inputs import Inputs
from eyechart.report.numbers import Number, count, percent, place, points
from eyechart.report.part import number_of
from eyechart.report.tables import READOUTS, Tables, pick, records
from eyechart.report.trust import scores_trusted
from eyechart.report.where import where_lost
from eyechart.report.wording import overfits
from eyechart.subjects.capabilities import OPEN_MODEL, capabilities

ALPHA = 0.05


@dataclass(frozen=True)
class Answer:
    """One question, a verdict of a few words, and the numbers behind it as sentences."""

    question: str
    verdict: str
    reasons: tuple[str, ...] = ()


def answers(inputs: Inputs, tables: Tables) -> list[Answer]:
    """Return the answers to the four questions, in their order; what has not been measured says so."""
    lost = Answer("Where is it lost?", *where_lost(tables))
    repairs = _repairs(inputs, tables)
    if answers_alone(inputs.config):
        lost, repairs = (replace(one, verdict="Cannot be told", reasons=_CLOSED) for one in (lost, repairs))
    return [
        _sees(inputs, tables),
        lost,
        repairs,
        Answer("Can its scores be trusted?", *scores_trusted(tables)),
    ]


def answers_alone(config: Mapping[str, Any]) -> bool:
    """Say whether nothing of a run's subject can be had but its answers, so that no command tells more."""
    return "answers" in config or capabilities(config.get("subject", "")) != OPEN_MODEL


_CLOSED = ("Nothing of this subject can be had but its answers; an open model can be looked into and tuned.",)


def _sees(inputs: Inputs, tables: Tables) -> Answer:
    question = "Does it see distortions?"
    kinds = tables.get("kinds")
    train = kinds is None or "train" in set(kinds["template_split"])
    wording = "train" if train else "held-out"
    rows = {
        name: row
        for name in READOUTS
        if (row := pick(kinds, arm="base", template_split=wording, readout=name))
    }
    if len(rows) > 1:
        rows.pop("yes-no", None)  # has a section of its own
    if not rows:
        return Answer(question, "Not examined yet", ("There are no answers of the untuned model.",))
    chance = 1 / len(inputs.labels)
    measured = {
        name: Number.of(row, "balanced_accuracy", "balanced_low", "balanced_high")
        for name, row in rows.items()
    }
    places = {name: place(number, chance) for name, number in measured.items()}
    reasons = [
        _level(name, rows[name], number, f"chance {percent(chance)}: {_TOLD[places[name]]}")
        for name, number in measured.items()
    ]
    decisive = next(iter(rows))
    reasons += _against_pixels(tables, decisive) + _per_label(tables, decisive) + _strength(tables, decisive)
    if not train:
        reasons.append("No train wording was asked: all this is of the held-out ones.")
    return Answer(question, _sees_verdict(set(places.values())), tuple(reasons))


_HOW = {
    "choose": "choosing among the labels",
    "generate": "answering in its own words",
    "yes-no": "asked about each label, yes or no",
}
_TOLD = {
    "above": "above chance",
    "below": "below chance",
    "cannot tell": "cannot tell it from chance",
}


def _level(readout: str, row: Mapping[str, Any], number: Number, beside: str) -> str:
    """Say how many answers are right; where texts name no label, so that they cannot be, say so first."""
    asked, off = int(row["n"]), round(row["n"] * row["unparsed_share"])
    how = f"Untuned, {_HOW[readout]}"
    if off == asked:
        return f"{how}: none of {asked} answers names a label, so that none is right."
    named = f"; {asked - off} of {asked} answers name a label" if off else ""
    return f"{how}: {number} balanced accuracy, {beside}{named}."


def _sees_verdict(places: set[str]) -> str:
    if places == {"above"}:
        return "Yes, better than chance"
    if "above" in places:
        return "Depends on how it is asked"
    return "Not better than chance" if places == {"below"} else "Cannot tell it from chance"


def _against_pixels(tables: Tables, readout: str, arm: str = "base") -> list[str]:
    row = pick(tables.get("versus_pixels"), arm=arm, readout=readout)
    if row is None:
        return []
    gap = Number.of(row, "balanced_difference", "balanced_low", "balanced_high")
    words = {
        "above": "better than they do",
        "below": "worse than they do",
        "cannot tell": "cannot tell a difference",
    }
    return [f"Against ten pixel statistics on the same images: {points(gap)}; {words[place(gap, 0)]}."]


def _per_label(tables: Tables, readout: str) -> list[str]:
    """Name the labels that the base names more often on their own images than on the others.

    Recall alone would not do: whoever names a label often without looking recalls it often.
    """
    recalls = tables["recalls"]
    mine = recalls[(recalls["arm"] == "base") & (recalls["readout"] == readout)]
    found: dict[str, list[str]] = {"above": [], "below": [], "cannot tell": []}
    for row in records(mine):
        number = number_of(row, "beyond")
        key = place(number, 0)
        found[key].append(f"{row['label']} {points(number)}" if key != "cannot tell" else str(row["label"]))
    if not found["above"] and not found["below"]:
        return ["No label is surely named more often on its own images than on the others."]
    told = {
        "above": "Named more often on a label's own images than on the others",
        "below": "Less often",
        "cannot tell": "Cannot tell",
    }
    return ["; ".join(f"{told[key]}: {', '.join(names)}" for key, names in found.items() if names) + "."]


def _strength(tables: Tables, readout: str) -> list[str]:
    levels = tables["levels"]
    mine = levels[(levels["arm"] == "base") & (levels["readout"] == readout) & (levels["level"] > 0)]
    if mine["level"].nunique() < 2:
        return []
    rows = records(mine.sort_values("level"))
    weak, strong = Number.of(rows[0], "accuracy"), Number.of(rows[-1], "accuracy")
    words = {"above": "strength helps", "below": "strength hurts", "cannot tell": "cannot tell a difference"}
    said = f"Level {rows[0]['level']}: {weak}; level {rows[-1]['level']}: {strong}"
    return [f"{said}; {words[place(strong, weak)]}."]


def _repairs(inputs: Inputs, tables: Tables) -> Answer:
    question = "What repairs it?"
    mine = tables.get("repairs")
    if mine is None or mine.empty:
        return Answer(question, "Not examined yet", ("No tuned arm has been examined.",))
    rows = {str(row["arm"]): row for row in records(mine)}
    gains = {
        arm: Number.of(row, "balanced_difference", "balanced_low", "balanced_high")
        for arm, row in rows.items()
    }
    helped = [arm for arm, gain in gains.items() if gain.low > 0 and rows[arm]["balanced_p_holm"] < ALPHA]
    told = {
        arm: f"{arm}: {points(gain)} balanced accuracy on the {rows[arm]['template_split']} template; "
        f"{_gained(gain, rows[arm])}."
        for arm, gain in gains.items()
    }
    if not helped:
        return Answer(question, "Nothing that was tried, beyond doubt", tuple(told.values()))
    best = max(helped, key=lambda arm: gains[arm].value)
    readout = str(mine["readout"].iloc[0])
    tied = _not_worse(inputs, best, helped, str(mine["template"].iloc[0]), readout)
    smallest = min(tied, key=lambda arm: _trained(tables, arm))
    verdict = f"Tuning {'all components' if smallest == 'all' else smallest}"
    cost = _content_change(tables, smallest)
    if cost is not None and place(cost, 0) == "below":
        verdict += ", at a cost"
    reasons = (
        told.pop(smallest),
        *_costs(tables, smallest, readout),
        *_against_pixels(tables, readout, smallest),
        _choice(tables, best, tied, smallest),
        *told.values(),
    )
    return Answer(question, verdict, reasons)


def _gained(gain: Number, row: Mapping[str, Any]) -> str:
    """Say whether an arm is better than the base; an interval that says so must pass the test, too."""
    tested = float(row["balanced_p_holm"])
    if gain.low > 0:
        reason = f"though a test over all arms gives p = {tested:.2g}, from {row['contents']} contents"
        return "a gain" if tested < ALPHA else f"cannot tell a gain, {reason}"
    return "a loss" if gain.high < 0 else "cannot tell a gain"


def _not_worse(inputs: Inputs, best: str, helped: list[str], template: str, readout: str) -> list[str]:
    """Return the arms that cannot be told from the best one, by a paired comparison on the same images."""
    table = inputs.answers
    if table is None:
        return [best]
    mine = table[(table["template"] == template) & (table["readout"] == readout) & table["arm"].isin(helped)]
    against: pd.DataFrame = compare_arms(mine, inputs.labels, base=best)
    return [best, *against.loc[against["balanced_high"] >= 0, "arm"].astype(str)]


def _trained(tables: Tables, arm: str) -> float:
    row: dict[str, Any] = pick(tables["arms"], arm=arm) or {}
    trained = float(row.get("trained_parameters", float("nan")))
    return float("inf") if math.isnan(trained) else trained


def _choice(tables: Tables, best: str, tied: list[str], smallest: str) -> str:
    if len(tied) == 1:
        return f"{best} gains most, and every other arm certainly less."
    others = ", ".join(arm for arm in tied if arm != best)
    return (
        f"{best} gains most; cannot tell it from {others}. "
        f"The fewest trained parameters of these: {smallest} ({count(_trained(tables, smallest))})."
    )


def _costs(tables: Tables, arm: str, readout: str) -> list[str]:
    said = []
    change = _content_change(tables, arm)
    if change is not None:
        words = {"below": "a cost", "above": "no cost", "cannot tell": "cannot tell a cost"}
        said.append(
            f"Other questions on the picture after tuning {arm}: {points(change)}, {words[place(change, 0)]}."
        )
    gap = pick(tables.get("gap"), arm=arm, readout=readout)
    if gap is not None:
        number = Number.of(gap, "gap")
        words = {
            "above": "better in its train wording, but not surely more so than the untuned model",
            "below": "it does better in other wordings",
            "cannot tell": "cannot tell overfitting to the wording",
        }
        found = words[place(number, 0)]
        if overfits(tables, arm, readout):
            found = "overfitted to its train wording, and more than the untuned model"
        said.append(f"Train wording minus held-out wordings: {points(number)}; {found}.")
    return said


def _content_change(tables: Tables, arm: str) -> Number | None:
    """Return how far tuning moved the answers to other questions on the picture."""
    row = pick(tables.get("content"), arm=arm, question="all")
    return None if row is None else Number.of(row, "change", "change_low", "change_high")
