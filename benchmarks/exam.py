"""How fast an exam is, beside other ways to the same numbers, and how near to what the processor can do.

    python benchmarks/exam.py                                    # 8 labels x 4 and 25 labels x 5 templates
    python benchmarks/exam.py --lmms-python lmms/bin/python      # beside lmms-eval as well
    python benchmarks/exam.py --device cuda --images 256

All ways answer the same questions about the same images with the built-in subject: a plain loop (one forward
for each image, template and candidate), one prefill for each image and template with the candidates on its
keys and values, lmms-eval, and Eyechart's engine. Times begin with pixels and end with log-likelihoods (texts
for lmms-eval). The ways take turns; a ratio is the median of those of each round. Answers are compared: in
float32 no log-likelihood may differ by 1e-3. Results go to benchmarks/results/exam.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from exam_bench import flops, lmms, memory, report, schemes
from exam_bench.material import Exam, Setting, images

from eyechart.exam.config import ExamConfig
from eyechart.provenance import provenance
from eyechart.subjects.model import Pixels

RESULTS = Path(__file__).parent / "results" / "exam"
SETTINGS = ((8, 4), (25, 5))  # labels, templates
NEW_TOKENS = 16  # longest text, as in the export to lmms-eval
ALIKE = 1e-3  # nats, in float32
# Several batches are tried and the fastest is the one that is reported.
PREFILL_BATCHES = (1, 8)


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    import torch

    from eyechart.subjects.loading import load_subject

    torch.set_num_threads(options.threads)
    subject = load_subject("nano")
    subject.model.to(options.device)
    shown = images(options.images)
    compared = []
    for precision in options.precision:
        subject.compute = precision
        for counts in SETTINGS:
            compared.append(compare(Exam(subject, Setting.of(*counts)), shown, options))
            print(report.table(compared[-1]), flush=True)
    memories = memory.measure(options.memory) if options.memory else []
    told = {
        "compared": compared,
        "memory": memories,
        "threads": options.threads,
        "device": _device(options.device),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "machine": provenance(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "exam.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (options.out / "exam.md").write_text(report.page(told), encoding="utf-8")
    print(report.page(told))
    if unlike := [one for one in compared if one["precision"] == "float32" and _difference(one) >= ALIKE]:
        sys.exit(f"answers differ by {max(map(_difference, unlike)):.1e}: the times compare unequal work")


def _options() -> Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=lmms.HOW, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=64, help="for Eyechart, each round")
    parser.add_argument("--plain-images", type=int, default=1, help="for the plain loop, each round")
    parser.add_argument("--prefill-images", type=int, default=16, help="for prefill, each round")
    parser.add_argument("--lmms-images", type=int, default=16, help="for lmms-eval")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured")
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"], help="of matrix products")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the processor")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--lmms-python", type=Path, help="an interpreter that has lmms-eval, see below")
    parser.add_argument("--memory", type=int, nargs="*", default=[1000, 20000], help="images; none: left out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    return parser.parse_args()


def compare(exam: Exam, shown: Sequence[Pixels], options: Namespace) -> dict[str, Any]:
    """Return the seconds per image of every way in one setting and precision, and how far answers differ."""
    some = {"plain": options.plain_images, "prefill": options.prefill_images}
    batch = min(
        PREFILL_BATCHES, key=lambda size: _time(_prefill(size), exam, shown[: PREFILL_BATCHES[-1]])[0]
    )
    ways: dict[str, Any] = {
        "plain": schemes.plain,
        "prefill": _prefill(batch),
        "eyechart": schemes.eyechart,
        "eyechart with texts": lambda exam, some: schemes.eyechart_texts(exam, some, NEW_TOKENS),
        "texts alone": lambda exam, some: schemes.texts_alone(exam, some, NEW_TOKENS),
    }
    for way in ways.values():
        _time(way, exam, shown[:1])  # what is loaded or compiled at the first use
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Any] = {}
    for turn in range(options.rounds):
        for name, way in ways.items():
            print(f"{exam.setting.name}, {exam.subject.compute}, round {turn + 1}: {name}", file=sys.stderr)
            each, found[name] = _time(way, exam, shown[: some.get(name)])
            seconds[name].append(each)
    found["eyechart with texts"], _ = found["eyechart with texts"]
    texts = found.pop("texts alone")
    differences = {
        name: float(np.abs(scores - found["eyechart"][:, : scores.shape[1]]).max())
        for name, scores in found.items()
        if name != "eyechart"
    }
    return {
        "setting": exam.setting.name,
        "precision": exam.subject.compute,
        "seconds_per_image": seconds,
        "prefill_batch": batch,
        "differences": differences,
        "limit": _limit(exam, shown[0]),
        "lmms_eval": _lmms(exam, shown[: options.lmms_images], texts, options),
    }


def _prefill(batch: int) -> schemes.Scheme:
    return lambda exam, some: schemes.prefill(exam, some, batch)


def _time(way: Any, exam: Exam, some: Sequence[Pixels]) -> tuple[float, Any]:
    """Return seconds per image, and what was found."""
    begun = time.perf_counter()
    found = way(exam, some)
    return (time.perf_counter() - begun) / len(some), found


def _difference(compared: dict[str, Any]) -> float:
    return float(max(compared["differences"].values()))


def _limit(exam: Exam, image: Pixels) -> dict[str, Any]:
    """Return the operations that one image needs, by part, and the seconds of as many in matrix products."""
    import torch

    passes = flops.needed(exam)
    dtype = getattr(torch, exam.subject.compute)
    return {
        "operations": {part.name: part.linear + part.attention for part in passes},
        "rows": {part.name: part.rows for part in passes},
        "seconds": flops.limit_seconds(passes, ExamConfig().batch, dtype, exam.subject.device),
        "one_forward": {"ours": flops.one_forward(exam), "torch": flops.counted_by_torch(exam, image)},
    }


def _lmms(exam: Exam, some: Sequence[Pixels], texts: Any, options: Namespace) -> dict[str, Any] | None:
    """Return what lmms-eval took for these images, and which share of its texts is ours; None without it."""
    if options.lmms_python is None:
        return None
    from eyechart.subjects.loading import subject_folder

    with tempfile.TemporaryDirectory(prefix="eyechart-") as work:
        folder = Path(work) / "tasks"
        lmms.write_tasks(folder, exam.setting, some, NEW_TOKENS)
        print(f"{exam.setting.name}, {exam.subject.compute}: lmms-eval", file=sys.stderr)
        told = lmms.run_lmms(
            options.lmms_python,
            subject_folder("nano"),
            folder,
            exam.subject.compute,
            options.threads,
            options.device,
        )
    pairs = [
        (own.strip(), theirs.strip())
        for own_texts, their_texts in zip(texts, told["texts"], strict=True)
        for own, theirs in zip(own_texts, their_texts, strict=False)
    ]
    return {
        "version": told["version"],
        "images": len(some),
        "seconds_per_image": {name: seconds / len(some) for name, seconds in told["seconds"].items()},
        "texts_alike": sum(own == theirs for own, theirs in pairs) / len(pairs),
    }


def _device(device: str) -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"


if __name__ == "__main__":
    main()
