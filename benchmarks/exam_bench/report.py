"""The benchmark's results in tables."""

from __future__ import annotations

from statistics import median
from typing import Any

# How many times faster Eyechart has to be than a way in a setting; than others in any setting.
BARS = {("8 labels x 4 templates", "plain"): 15.0, ("25 labels x 5 templates", "plain"): 40.0}
BAR_OF_PREFILL, BAR_OF_LMMS, BAR_OF_LIMIT = 1.8, 5.0, 0.5
BAR_OF_MEMORY = 1.05

_WAYS = {
    "plain": "plain loop: one forward for each image, template and candidate",
    "prefill": "one prefill for each image and template, candidates on its memory, batches of {batch}",
    "eyechart": "Eyechart: scores of all candidates",
    "eyechart with texts": "Eyechart: scores of all candidates and greedy texts",
    "texts alone": "Eyechart: greedy texts alone, as lmms-eval",
}


def page(told: dict[str, Any]) -> str:
    """Return all tables, and on what they were measured."""
    machine = told["machine"]
    versions = ", ".join(f"{name} {machine['packages'][name]}" for name in ("torch", "transformers", "numpy"))
    where = machine["cpu"] if told["device"] == "cpu" else told["device"]
    head = (
        f"The built-in subject on images of 112 x 112 px; {where}, {told['threads']} threads of "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB; {machine['platform']}, Python "
        f"{machine['python']}, {versions}, Eyechart {machine['eyechart']} ({machine['commit']}); load at the "
        f"end {told['load_at_the_end']}. Written by `benchmarks/exam.py`."
    )
    return "\n\n".join([head, *(table(one) for one in told["compared"]), _memory(told["memory"])]) + "\n"


def table(one: dict[str, Any]) -> str:
    """Return one setting in one precision."""
    seconds = one["seconds_per_image"]
    lines = [
        f"## {one['setting']}, {one['precision']}",
        "",
        "| way | images/s | slowest to fastest round | Eyechart is faster | bar | largest difference, nats |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in seconds.items():
        ratio = median(other / own for other, own in zip(each, seconds["eyechart"], strict=True))
        bar = BAR_OF_PREFILL if name == "prefill" else BARS.get((one["setting"], name))
        by = ["", "", ""] if name == "eyechart" else [f"{ratio:.1f}x", _bar(ratio, bar), ""]
        if name in one["differences"]:
            by[2] = f"{one['differences'][name]:.1e}"
        told = _WAYS[name].format(batch=one["prefill_batch"])
        spread = f"{1 / max(each):.3g} to {1 / min(each):.3g}"
        lines.append(f"| {told} | {1 / median(each):.3g} | {spread} | {' | '.join(by)} |")
    return "\n".join([*lines, *_lmms(one), "", _limit(one)])


def _bar(ratio: float, bar: float | None) -> str:
    return "" if bar is None else f"{bar:g}x: {'met' if ratio >= bar else 'missed'}"


def _lmms(one: dict[str, Any]) -> list[str]:
    """Return lmms-eval's rows; its ratios are to Eyechart with texts alone, the same work."""
    found = one["lmms_eval"]
    if found is None:
        return ["| lmms-eval: absent, as no --lmms-python was given | | | | | |"]
    own = median(one["seconds_per_image"]["texts alone"])
    names = {
        "generate": "its model's calls alone",
        "evaluate": "its evaluation, model loaded",
        "process": "all, with imports and loading",
    }
    lines = []
    for name, told in names.items():
        each = found["seconds_per_image"][name]
        bar = _bar(each / own, BAR_OF_LMMS if name == "generate" else None)
        what = f"{told} ({found['images']} images; {found['texts_alike']:.0%} of its texts are ours)"
        ratio = f"{1 / each:.3g} | | {each / own:.1f}x"
        lines.append(f"| lmms-eval {found['version']}, texts: {what} | {ratio} | {bar} | |")
    return lines


def _limit(one: dict[str, Any]) -> str:
    limit = one["limit"]
    total = sum(limit["operations"].values())
    own = median(one["seconds_per_image"]["eyechart"])
    parts = ", ".join(
        f"{name} {operations / 1e9:.1f} ({limit['rows'][name]} rows)"
        for name, operations in limit["operations"].items()
    )
    share = limit["seconds"] / own
    counted = limit["one_forward"]
    agreed = counted["ours"] / counted["torch"] - 1
    return (
        f"An image needs {total / 1e9:.1f} GFLOP: {parts}. Matrix products of these shapes alone take "
        f"{limit['seconds'] * 1000:.1f} ms here ({total / limit['seconds'] / 1e9:.0f} GFLOP/s), Eyechart "
        f"{own * 1000:.1f} ms: {share:.0%} of the limit (bar {BAR_OF_LIMIT:.0%}: "
        f"{'met' if share >= BAR_OF_LIMIT else 'missed'}). For one plain forward our count is {agreed:+.2%} "
        "from that of PyTorch's counter."
    )


def _memory(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "Memory was not measured."
    first, last = rows[0], rows[-1]
    grown = last["peak_bytes"] / first["peak_bytes"]
    lines = [
        f"| {row['images']} | {row['peak_bytes'] / 2**20:.0f} MiB | {row['seconds']:.0f} |" for row in rows
    ]
    head = ["## Memory of an exam", "", "| images | peak memory | seconds |", "|---|---|---|"]
    told = (
        f"{last['images'] / first['images']:.0f} times the images take {grown:.2f} times the memory (bar "
        f"{BAR_OF_MEMORY:g}: {'met' if grown <= BAR_OF_MEMORY else 'missed'}). A model of one layer with the "
        "built-in subject's classes, processor and vocabulary; the exam itself is the real one."
    )
    return "\n".join([*head, *lines, "", told])
