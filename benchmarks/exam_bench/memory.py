"""How much memory an exam of few and of many images takes at most, each in a process of its own.

    python benchmarks/exam_bench/memory.py SUBJECT IMAGES    # what the benchmark runs

The exam is the real one: images from a dataset's Parquet, answers to shards. The subject has the built-in
one's classes, processor and vocabulary with a layer each, so that 20,000 images take minutes; whatever grew
with the number of images would grow with it as well.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ("blur", "noise", "compression", "clean")
DISTINCT = 64  # pictures; more images are the same again
GROUP = 512  # images that a reader of the Parquet file decodes together


def measure(counts: list[int]) -> list[dict[str, Any]]:
    """Return images, seconds and peak_bytes for every count."""
    with tempfile.TemporaryDirectory(prefix="eyechart-") as work:
        small = Path(work) / "small"
        save_small(small)
        return [_child(small, count) for count in counts]


def _child(subject: Path, count: int) -> dict[str, Any]:
    command = [sys.executable, __file__, str(subject), str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def save_small(folder: Path) -> None:
    """Save a random model with the built-in subject's classes and processor, of one layer each."""
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    from eyechart.subjects.loading import subject_folder

    nano = subject_folder("nano")
    config = AutoConfig.from_pretrained(nano)
    config.text_config.num_hidden_layers = 1
    config.vision_config.num_hidden_layers = 1
    model = AutoModelForImageTextToText.from_config(config)
    AutoModelForImageTextToText.from_pretrained(nano).generation_config.save_pretrained(folder)
    model.save_pretrained(folder)
    AutoProcessor.from_pretrained(nano).save_pretrained(folder)


def write_dataset(folder: Path, count: int) -> None:
    """Write a dataset of ``count`` test images: noise of 112 x 112 px, one scene for every four."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image

    from eyechart.dataset.store import schema

    draw, pictures = np.random.default_rng(0), []
    for _ in range(DISTINCT):
        stream = BytesIO()
        Image.fromarray(draw.integers(0, 256, (112, 112, 3), np.uint8)).save(stream, "PNG")
        pictures.append({"bytes": stream.getvalue(), "path": None})
    folder.mkdir(parents=True)
    told = {"name": "memory", "hash": f"{count:064x}", "label_map": {"labels": LABELS}}
    (folder / "dataset.json").write_text(json.dumps(told), encoding="utf-8")
    for split in ("train", "validation", "test"):
        with pq.ParquetWriter(folder / f"{split}-00000.parquet", schema()) as writer:
            for start in range(0, count if split == "test" else 0, GROUP):
                rows = [_row(n, pictures) for n in range(start, min(start + GROUP, count))]
                writer.write_table(pa.Table.from_pylist(rows, schema()))


def _row(number: int, pictures: list[dict[str, Any]]) -> dict[str, Any]:
    label = LABELS[number % len(LABELS)]
    return {
        "image_id": f"image-{number:08d}",
        "image": pictures[number % DISTINCT],
        "content": f"scene-{number // 4:06d}",
        "corpus": "photos",
        "distortion": label,
        "level": 3,
        "label": label,
        "split": "test",
        "width": 112,
        "height": 112,
    }


def examine(subject: str, count: int) -> dict[str, Any]:
    """Hold the exam in this process and return what it took."""
    from eyechart.dataset import load_dataset
    from eyechart.exam.config import ExamConfig
    from eyechart.exam.processes import Processes
    from eyechart.exam.run import examine as hold
    from eyechart.runs import Run, peak_rss_mib
    from eyechart.subjects.loading import load_subject

    with tempfile.TemporaryDirectory(prefix="eyechart-") as work:
        write_dataset(Path(work) / "dataset", count)
        dataset, run = load_dataset(Path(work) / "dataset"), Run.create(Path(work) / "run", {})
        begun = time.perf_counter()
        config, asked = ExamConfig(templates=("main-distortion",)), load_subject(subject)
        hold(run, "base", asked, dataset, config, seed=0, processes=Processes(), say=_say)
        seconds = time.perf_counter() - begun
    return {"images": count, "seconds": seconds, "peak_bytes": (peak_rss_mib() or 0) * 2**20}


def _say(said: str) -> None:
    print(said, file=sys.stderr)


if __name__ == "__main__":
    print(json.dumps(examine(sys.argv[1], int(sys.argv[2]))))
