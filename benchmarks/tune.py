"""What tuning costs: arms with frozen parts beside a plain Trainer, and alignment alone beside a full step.

    python benchmarks/tune.py                        # both; under ten minutes on two quiet cores
    python benchmarks/tune.py --large-layers 0       # the arms alone

The projector-only and the language-only arm are trained for one epoch on the same images by Eyechart, which
keeps what is frozen, and by a plain transformers Trainer, which does not; the language model by the same
adapters. The ways take turns; a ratio is the median of those of each round. Then a model of the same class
with random weights and a language model of a billion parameters takes a step of everything, and a step of
vision encoder and projector on the alignment constraint, without the language model. Results go to
benchmarks/results/tune.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from exam_bench.material import images
from tune_bench import large, ours, plain, report
from tune_bench.counted import operations

from eyechart.arms import train_templates
from eyechart.provenance import provenance
from eyechart.subjects.components import components
from eyechart.subjects.loading import load_subject
from eyechart.subjects.model import ModelSubject
from eyechart.taxonomy import load_label_map
from eyechart.tune.config import TuneConfig
from eyechart.tune.lesson import Lesson

RESULTS = Path(__file__).parent / "results" / "tune"
ARMS = ("projector", "language")


def main() -> None:
    """Measure what the command line asks for."""
    options = _options()
    import torch

    torch.set_num_threads(options.threads)
    told: dict[str, Any] = {"arms": [], "large": None, "threads": options.threads, "device": options.device}
    for train in ARMS:
        told["arms"].append(compare(train, options))
        print(report.arm(told["arms"][-1]), flush=True)
    if options.large_layers:
        told["large"] = alone(options)
        print(report.alignment(told["large"]), flush=True)
    told |= {"load_at_the_end": round(os.getloadavg()[0], 1), "machine": provenance()}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "tune.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    (options.out / "tune.md").write_text(report.page(told), encoding="utf-8")


def _options() -> Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=64, help="of an epoch")
    parser.add_argument("--batch", type=int, default=16, help="images a step")
    parser.add_argument("--rounds", type=int, default=2, help="how often each way is measured")
    parser.add_argument(
        "--plain", nargs="+", default=["float32", "bfloat16"], help="precision of the Trainer"
    )
    parser.add_argument("--large-layers", type=int, default=16, help="of the large language model; 0: none")
    parser.add_argument("--large-batch", type=int, default=2, help="images of its steps")
    parser.add_argument("--large-rounds", type=int, default=3, help="how often its steps are measured")
    parser.add_argument("--large-dtype", default="bfloat16", help="of its weights")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the processor")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    return parser.parse_args()


def compare(train: str, options: Namespace) -> dict[str, Any]:
    """Return the seconds of an epoch of one arm, every way."""
    lesson, config = lesson_of(options.images, 112), TuneConfig(batch=options.batch)
    plains: dict[str, list[float]] = {precision: [] for precision in options.plain}
    mine: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="eyechart-") as folder:
        subject = fresh(options)
        ours.epoch(subject, train, lesson, config, Path(folder), seed=-1)  # keeps the features
        for turn in range(options.rounds):
            print(f"{train}, round {turn + 1}", file=sys.stderr)
            for precision, each in plains.items():
                each.append(plain.epoch(fresh(options), train, lesson, config, bf16=precision == "bfloat16"))
            found = ours.epoch(fresh(options), train, lesson, config, Path(folder), seed=turn)
            for name, seconds in found.items():
                mine.setdefault(name, []).append(seconds)
    return {
        "arm": train,
        "images": options.images,
        "precision": subject.compute,
        "plain": plains,
        "eyechart": mine,
        "operations": {
            "plain": operations(subject, lesson, train, answer=True, plain=True),
            "answer": operations(subject, lesson, train, answer=True),
        },
    }


def fresh(options: Namespace) -> ModelSubject:
    """Return the built-in subject as it was before any tuning."""
    subject = load_subject("nano")
    subject.model.to(options.device)
    return subject


def lesson_of(count: int, side: int) -> Lesson:
    """Return images with labels in turn; what is learnt does not matter here."""
    labels = load_label_map("paper8").labels
    return Lesson(
        images(count, side),
        np.arange(count) % len(labels),
        labels,
        tuple(train_templates(labels, 1).values()),
    )


def alone(options: Namespace) -> dict[str, Any]:
    """Return the seconds of a full step of the large model, and of one without its language model."""
    subject = large.build(options.large_layers, options.large_dtype)
    subject.model.to(options.device)
    lesson = lesson_of(options.large_batch, large.SIDE)
    seconds: dict[str, list[float]] = {}
    # The full step comes last: its optimiser's states take four times the memory of the weights.
    for name, train, answer in (("alignment", "vision+projector", False), ("full", "all", True)):
        once = ours.step(subject, lesson, train, 1e-6, answer=answer)
        once()  # makes the optimiser's states
        seconds[name] = [timed(once, options.device) for _ in range(options.large_rounds)]
    return {
        "parameters": sum(p.numel() for p in components(subject.model)["language"].values()),
        "batch": options.large_batch,
        "dtype": options.large_dtype,
        "seconds": dict(sorted(seconds.items(), reverse=True)),
        "operations": {
            "full": operations(subject, lesson, "all", answer=True),
            "alignment": operations(subject, lesson, "vision+projector", answer=False),
        },
    }


def timed(once: Any, device: str) -> float:
    """Return the seconds of one step."""
    import torch

    begun = time.perf_counter()
    once()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
