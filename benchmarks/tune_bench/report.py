"""The benchmark's results in tables."""

from __future__ import annotations

from statistics import median
from typing import Any

BAR_OF_ARMS, BAR_OF_ALIGNMENT = 5.0, 20.0


def page(told: dict[str, Any]) -> str:
    """Return all tables, and on what they were measured."""
    machine = told["machine"]
    versions = ", ".join(f"{name} {machine['packages'][name]}" for name in ("torch", "transformers", "peft"))
    head = (
        f"{machine['cpu'] if told['device'] == 'cpu' else told['device']}, {told['threads']} threads of "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB; {machine['platform']}, Python "
        f"{machine['python']}, {versions}, Eyechart {machine['eyechart']} ({machine['commit']}); load at the "
        f"end {told['load_at_the_end']}. Written by `benchmarks/tune.py`."
    )
    parts = [head, *(arm(one) for one in told["arms"])]
    return "\n\n".join([*parts, *([alignment(told["large"])] if told["large"] else [])]) + "\n"


def arm(one: dict[str, Any]) -> str:
    """Return one arm's epoch, every way beside the others."""
    ours, plain = one["eyechart"], one["plain"]
    lines = [
        f"## {one['arm']}: seconds of one epoch of {one['images']} images, the built-in subject",
        "",
        "| way | seconds | slowest and fastest round | beside plain, float32 | beside plain, bfloat16 |",
        "|---|---|---|---|---|",
    ]
    told = {f"plain Trainer, {precision}": each for precision, each in plain.items()}
    told |= {f"Eyechart ({one['precision']}), {_NAMES[phase]}": each for phase, each in ours.items()}
    for name, each in told.items():
        ratios = [_ratio(plain.get(precision), each) for precision in ("float32", "bfloat16")]
        spread = f"{max(each):.3g}, {min(each):.3g}"
        lines.append(f"| {name} | {median(each):.3g} | {spread} | {' | '.join(ratios)} |")
    alike = plain.get(one["precision"]) or next(iter(plain.values()))
    answer = _of_rounds(alike, ours["answer"])
    most = one["operations"]["plain"] / one["operations"]["answer"]
    lines += [
        "",
        f"On the same loss in the same precision {answer:.1f}x faster; {_bar(answer, BAR_OF_ARMS)}. What is "
        f"kept and what is not scored makes {most:.1f}x in operations.",
    ]
    if "projector" in ours:
        alone = _of_rounds(alike, ours["projector"])
        lines.append(f"On the constraint alone, where no language model is run, {alone:.0f}x faster.")
    return "\n".join(lines)


_NAMES = {
    "projector": "steps on the constraint alone, features kept",
    "answer": "steps on the answer's loss, frozen parts kept",
    "whole": "all phases, with the proof",
}


def alignment(large: dict[str, Any]) -> str:
    """Return the steps of the large model."""
    seconds = large["seconds"]
    ratio = _of_rounds(seconds["full"], seconds["alignment"])
    predicted = large["operations"]["full"] / large["operations"]["alignment"]
    lines = [
        f"## A step of {large['batch']} images on a language model of {large['parameters'] / 1e9:.2f} "
        f"billion parameters ({large['dtype']}, random weights)",
        "",
        "| step | trains | seconds | slowest and fastest round | operations an image |",
        "|---|---|---|---|---|",
    ]
    trains = {"full": "everything, on the answer's loss", "alignment": "vision encoder and projector, no LM"}
    for name, each in seconds.items():
        spread = f"{max(each):.3g}, {min(each):.3g}"
        operations = f"{large['operations'][name] / 1e12:.3g} TFLOP"
        lines.append(f"| {name} | {trains[name]} | {median(each):.3g} | {spread} | {operations} |")
    lines += [
        "",
        f"The alignment-only step is {ratio:.1f}x cheaper; {_bar(ratio, BAR_OF_ALIGNMENT)}. Counted in "
        f"operations it is {predicted:.1f}x.",
    ]
    return "\n".join(lines)


def _ratio(plain: list[float] | None, each: list[float]) -> str:
    return "" if plain is None else f"{_of_rounds(plain, each):.1f}x"


def _of_rounds(slow: list[float], fast: list[float]) -> float:
    """Return the median of the ratios of each round."""
    return median(one / other for one, other in zip(slow, fast, strict=True))


def _bar(ratio: float, bar: float) -> str:
    return f"bar {bar:g}x: {'met' if ratio >= bar else 'missed'}"
