"""Where is the information lost: the ladder from pixels to words, each rung against the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from eyechart.report.numbers import Number, place
from eyechart.report.tables import Tables, pick, records

Rung = tuple[str, Number]
LOST = {
    "encoder": "On the way up the encoder",
    "encoder output": "In the projector",
    "projector": "In the language model",
    "language": "It is there and not read out",
    "choose": "In wording or decoding",
}


def where_lost(tables: Tables, chance: float, arm: str = "base") -> tuple[str, tuple[str, ...]]:
    """Return a verdict and its reasons for one arm.

    A rung is lost only if its interval lies wholly below that of the rung before; overlapping intervals say
    "cannot tell". The encoder has two rungs, its best layer and its output (what the projector receives),
    since an early layer may hold what the output has lost; the better one is held against the pixel
    statistics. The language model's rung is its best stage.
    """
    stages = tables.get("stages")
    if stages is None:
        return "Not examined yet", ("The stages have not been probed.",)
    mine = stages[stages["arm"] == arm]
    probed = _rungs(mine)
    if not probed:
        return "Not examined yet", (f"The stages of {arm} have not been probed.",)
    rungs = probed + _answered(tables, arm)
    reasons, drops, unsure = _control(mine, chance), [], []
    pixels = pick(mine, kind="pixels")
    if pixels is not None:
        best = max(
            (r for r in rungs if r[0].startswith("encoder")), key=lambda r: r[1].value, default=rungs[0]
        )
        told = place(best[1], Number.of(pixels, "accuracy"))
        reasons.append(_first(best, Number.of(pixels, "accuracy"), told))
        if told == "below":
            return "The encoder does not carry it", tuple(reasons)
    for before, after in pairwise(rungs):
        told = place(after[1], before[1])
        reasons.append(f"From {before[0]}, {before[1]}, to {after[0]}, {after[1]}: {_STEP[told]}.")
        component = before[0] if before[0] == "encoder output" else before[0].split()[0]
        if told == "below":
            drops.append((before[1].value - after[1].value, component))
        if told == "cannot tell":
            unsure.append(component)
    return _verdict(drops, unsure, mine), tuple(reasons)


_STEP = {"below": "lost here", "above": "more is found here than before", "cannot tell": "cannot tell a loss"}


def _verdict(drops: list[tuple[float, str]], unsure: list[str], mine: pd.DataFrame) -> str:
    if drops:
        largest = LOST[max(drops)[1]]
        return largest if len(drops) == 1 else f"{largest}, most of all"
    return f"Cannot tell at n = {int(mine['n'].max())}" if unsure else "Nothing is lost on the way"


def _first(rung: Rung, pixels: Number, told: str) -> str:
    words = {
        "above": "the encoder carries more than they do",
        "below": "the encoder carries less than they do",
        "cannot tell": "cannot tell which carries more",
    }
    return f"{rung[0]}, {rung[1]}, against ten pixel statistics, {pixels}: {words[told]}."


def _control(mine: pd.DataFrame, chance: float) -> list[str]:
    """Say so if most probes of shuffled labels do better than chance: then no rung can be trusted."""
    shuffled = records(mine[mine["kind"] == "shuffled"])
    above = [row for row in shuffled if place(Number.of(row, "accuracy"), chance) == "above"]
    if 2 * len(above) <= len(shuffled):
        return []
    return [f"Beware: {len(above)} of {len(shuffled)} probes of shuffled labels do better than chance."]


def _rungs(mine: pd.DataFrame) -> list[Rung]:
    """Return the encoder's best layer and output, the projector's output, the language model's best stage."""
    probes = mine[mine["kind"] == "probe"]
    found = []
    for stages in (r"encoder \d+", "encoder output", "projector output", r"language .+"):
        part = probes[probes["stage"].str.fullmatch(stages)]
        if not part.empty:
            best = max(records(part), key=_accuracy)
            found.append((str(best["stage"]), Number.of(best, "accuracy")))
    return found


def _accuracy(row: Mapping[Any, Any]) -> float:
    return float(row["accuracy"])


def _answered(tables: Tables, arm: str) -> list[Rung]:
    """Return what the model says itself, with the train template."""
    found = []
    for readout in ("choose", "generate"):
        row = pick(tables.get("kinds"), arm=arm, template_split="train", readout=readout)
        if row is not None:
            found.append((readout, Number.of(row, "accuracy")))
    return found
