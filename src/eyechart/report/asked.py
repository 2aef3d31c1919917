"""How the subject was asked, and what that took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eyechart.report.numbers import count, duration
from eyechart.report.part import Part, grid
from eyechart.report.views import Grid

_READING = (
    "Before an exam the fastest way of asking is held against the model's own generate on the exam's own "
    "questions, and only taken if its log-likelihoods agree. Images asked again alone are in the exam's own "
    "precision, which may be lower. Times are computing time on the machine that Provenance names."
)
_SIXTEEN_BIT = 0.25  # the least that is allowed of weights in 16 bits
_SCHEMES = {
    "shared": "one pass for all questions about an image",
    "prompt": "one pass for each question",
    "stepwise": "one pass for each question, answers token by token",
    "plain": "the model's own generate, once for each answer",
}


def asked(exams: Mapping[str, Mapping[str, Any]], arms: Sequence[str]) -> Part | None:
    """Return the section on how the subject was asked; None where no exam tells.

    Args:
        exams: per arm, what ``exam.json`` holds.
        arms: the untuned arm and the best one.
    """
    told = {arm: found for arm, found in exams.items() if "engine" in found}
    if not told:
        return None
    first = next((arm for arm in arms if arm in told), next(iter(told)))
    refused = [
        f"Refused for {arm}: {_SCHEMES.get(name, name)} ({name}): {why}."
        for arm, found in told.items()
        for name, why in found["engine"]["refused"].items()
    ]
    return Part(_sentence(first, told[first]), _READING, also=tuple(refused), grids=(_grid(told),))


def _sentence(arm: str, found: Mapping[str, Any]) -> str:
    engine = found["engine"]
    how = f"{arm} was asked by {_SCHEMES.get(engine['scheme'], engine['scheme'])} ({engine['scheme']})"
    if engine["scheme"] != "plain":
        how += (
            f", at most {_small(engine['difference'])} from the log-likelihoods of its own generate "
            f"({_small(engine['tolerance'])} is allowed{_precision(engine['tolerance'])})"
        )
    if "images_per_second" not in found:
        return f"{how}; its exam is not finished."
    memory = _memory(found)
    return f"{how}: {_speed(found)} images a second, {memory} at most.{_alone(found)}"


def _alone(found: Mapping[str, Any]) -> str:
    alone = found.get("alone")
    if alone is None:
        return ""
    changed, asked = (alone["texts" + end] + alone["choices" + end] for end in ("_changed", ""))
    return (
        f" Asked again alone, {count(alone['images'])} images gave another answer to {count(changed)} of "
        f"{count(asked)} questions; log-likelihoods moved by {_small(alone['difference'])} at most."
    )


def _precision(tolerance: float) -> str:
    """Say so where the weights are in float32: only they are held to less."""
    return ", in float32" if tolerance < _SIXTEEN_BIT else ""


def _small(value: float) -> str:
    return np.format_float_positional(float(f"{value:.2g}"), trim="-")


def _speed(found: Mapping[str, Any]) -> str:
    speed = found["images_per_second"]
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def _memory(found: Mapping[str, Any]) -> str:
    parts = []
    for name, where in (("peak_rss_mib", "memory"), ("peak_gpu_mib", "GPU memory")):
        peaks = [one for one in found[name] if one is not None]
        if peaks:
            parts.append(f"{max(peaks) / 1024:.1f} GiB of {where}")
    return " and ".join(parts) or "memory unknown"


def _grid(told: Mapping[str, Mapping[str, Any]]) -> Grid:
    rows = []
    for arm, found in told.items():
        engine = found["engine"]
        cells = [engine["scheme"], _small(engine["difference"])]
        if "images_per_second" in found:
            cells += [count(found["images"]), count(found["questions"]), duration(found["seconds"])]
            cells += [_speed(found), str(found["processes"]), _memory(found)]
        rows.append((arm, cells + ["–"] * (8 - len(cells))))
    heads = ("way", "difference", "images", "questions", "time", "images/s", "processes", "most memory")
    return grid("How each arm was asked", "arm", heads, rows)
