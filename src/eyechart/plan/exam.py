"""What an exam will take, told before it begins, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from eyechart.dataset import Dataset
from eyechart.errors import EyechartError
from eyechart.exam.config import ExamConfig
from eyechart.exam.engine import Scheme
from eyechart.exam.examiner import Examiner, Size
from eyechart.exam.forest import Ask
from eyechart.exam.items import Item
from eyechart.exam.shards import folder_of
from eyechart.plan.activations import layer_share
from eyechart.plan.calibrate import Load, speeds
from eyechart.plan.flops import Costs, costs, patches
from eyechart.plan.lengths import EXACT, blank, matrix_type, without_weights
from eyechart.plan.measure import HOW as MEASURED
from eyechart.plan.tables import Plan, Quantity, with_sum
from eyechart.plan.work import Pass, Work, work_of
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject

if TYPE_CHECKING:
    import torch

SPLIT = "test"
PREDICTIONS = 2**27  # held at a time, as in the engine
GPU_MEMORY = "memory of the GPU"
_ROW = 60  # bytes of a stored answer beside its log-likelihoods, compressed


def planned(
    subject: ModelSubject,
    weights: float,
    dataset: Dataset,
    config: ExamConfig,
    *,
    device: torch.device,
    scheme: Scheme = "shared",
    seconds: float | None = None,
) -> Plan:
    """Return what an exam will take: counts, operations, time, memory and disk.

    Args:
        subject: the model with its weights, or without (:func:`eyechart.plan.lengths.unloaded`).
        weights: bytes of its weights.
        dataset: what it is asked about.
        config: what it is asked.
        device: where it will compute; a few matrix products are measured there.
        scheme: how it is asked; settled at the exam's beginning, and ``shared`` for most families.
        seconds: that an image takes, if it was measured.

    Raises:
        EyechartError: no such template, or an empty dataset.
    """
    table = dataset.table(SPLIT)
    size, sizes = _middle(list(zip(table["height"], table["width"], strict=True)))
    examiner = Examiner(subject, "base", dataset.labels, config, np.zeros(3), seed=0)
    asks, images = examiner.asks(size), len(table)
    found = count(subject, asks, size)
    skeleton, branches = without_weights(subject), 1 + config.repeats
    work = work_of(asks, scheme, config.new_tokens, branches)
    done = operations(work, found)
    batch = min(config.batch, images)
    tokens = max(part.tokens for part in (*work.beginning, *work.rest))
    fast = speeds(skeleton, Load(batch, found.seen, tokens), subject.compute == "bfloat16", device)
    each = seconds or sum(value / fast[_HOME[name]] for name, value in done.items())
    lengths = getattr(subject, "lengths", EXACT)
    at_sizes = f"{lengths}, for images of {size[1]}x{size[0]}" + (
        f", one of {sizes} sizes" if sizes > 1 else ""
    )
    return (
        Quantity("images", images),
        *_counts(examiner.items, asks, config, at_sizes),
        Quantity(
            "tokens that all prompts share", work.beginning[0].tokens, "", f"asked by the scheme {scheme}"
        ),
        Quantity("tokens after them", sum(part.tokens for part in work.rest)),
        *with_sum(
            "operations",
            {name: value * images for name, value in done.items()},
            "operations",
            _ways(found.costs),
        ),
        Quantity("seconds", each * images, "seconds", MEASURED if seconds else told_speed(fast, device)),
        Quantity("images per second", 1 / each, "a second"),
        *with_sum(
            memory_name(device), _memory(subject, skeleton, weights, found, work, batch, device), "bytes"
        ),
        Quantity(
            "answers on the disk", images * stored(examiner.items, len(dataset.labels), config), "bytes"
        ),
    )


class Counted:
    """What one image of the exam costs, and what the model is shown of it."""

    def __init__(self, costs: Costs, seen: Mapping[str, Any]) -> None:
        self.costs, self.seen = costs, seen


def count(subject: ModelSubject, asks: Sequence[Ask], size: Size) -> Counted:
    """Return what one image and one token cost a subject."""
    seen = subject.inputs([blank(size)], asks[0].prompt.text)
    visual = len(asks[0].prompt.image_positions)
    return Counted(costs(without_weights(subject), seen, visual), seen)


_HOME = {
    "vision": "vision",
    "projector": "projector",
    "prompts' beginning": "language",
    "questions and answers": "language",
    "predictions": "predictions",
    "texts": "language",
}


def operations(work: Work, found: Counted) -> dict[str, float]:
    """Return the operations of one image, part by part."""
    own = found.costs

    def layers(passes: Sequence[Pass]) -> float:
        return sum(part.operations(own.language)[0] for part in passes)

    every = (*work.beginning, *work.rest, *work.texts)
    values = (
        own.vision * work.views,
        own.projector * work.views,
        layers(work.beginning),
        layers(work.rest),
        sum(part.operations(own.language)[1] for part in every),
        layers(work.texts),
    )
    return dict(zip(_HOME, values, strict=True))


def took(run: Run, arm: str) -> Plan:
    """Return what an arm's exam took, by the names of :func:`planned`."""
    found = run.read_json(f"arms/{arm}/exam.json")
    on_gpu = [peak for peak in found["peak_gpu_mib"] if peak is not None]
    peaks = on_gpu or [peak for peak in found["peak_rss_mib"] if peak is not None]
    name = GPU_MEMORY if on_gpu else "memory"
    shards = (run.path / folder_of(arm)).glob("*.parquet")
    return (
        Quantity("images", found["images"]),
        Quantity("questions of each image", found["questions"]),
        Quantity("seconds", found["seconds"], "seconds"),
        Quantity("images per second", found["images_per_second"], "a second"),
        *([Quantity(name, max(peaks) * 2**20, "bytes")] if peaks else []),
        Quantity("answers on the disk", sum(path.stat().st_size for path in shards), "bytes"),
    )


def stored(items: Sequence[Item], labels: int, config: ExamConfig) -> float:
    """Return the bytes of one image's answers: rows, and three log-likelihoods a label to choose from."""
    total = 0.0
    for item in items:
        if item.yes_no:
            total += _ROW + 8 * labels
            continue
        total += (_ROW + 3 * 8 * labels) * ("choose" in config.readouts)
        total += _ROW * (1 + config.repeats) * ("generate" in config.readouts)
    return total


def _counts(items: Sequence[Item], asks: Sequence[Ask], config: ExamConfig, how: str) -> Plan:
    writing = sum(ask.write for ask in asks)
    return (
        Quantity("templates", len({item.template.id for item in items})),
        Quantity("templates in all their orders", len(items)),
        Quantity("questions of each image", len(asks)),
        Quantity("answers scored of each image", sum(len(ask.candidates) for ask in asks)),
        Quantity(
            "texts of each image", writing * (1 + config.repeats), "", f"{1 + config.repeats} a question"
        ),
        Quantity("tokens of an image", len(asks[0].prompt.image_positions), "", how),
        Quantity("tokens of the longest prompt", max(len(ask.prompt.ids) for ask in asks), "", how),
    )


def _middle(sizes: Sequence[Size]) -> tuple[Size, int]:
    """Return the size of the image in the middle by area, and how many sizes there are."""
    if not sizes:
        raise EyechartError(f"the dataset's {SPLIT} split has no image", "build it with more contents")
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    height, width = ordered[len(ordered) // 2]
    return (int(height), int(width)), len(set(sizes))


def _memory(
    subject: ModelSubject,
    skeleton: Any,
    weights: float,
    found: Counted,
    work: Work,
    batch: int,
    device: torch.device,
) -> dict[str, float]:
    width = matrix_type(subject).itemsize
    longest = max(part.seen for part in (*work.beginning, *work.rest, *work.texts))
    language, head = found.costs.language, skeleton.get_output_embeddings()
    vocabulary = 0 if head is None else head.weight.shape[0]
    read = max(part.predictions for part in (*work.beginning, *work.rest))
    tokens = max(part.tokens for part in (*work.beginning, *work.rest))
    share = layer_share(skeleton, found.seen, patches(skeleton, found.seen), tokens)
    return {
        **program(subject, device),
        "weights": weights,
        "keys and values": language.remembered * longest * batch * width,
        "activations of a layer": share * batch,
        "predictions": min(read * vocabulary * batch, PREDICTIONS) * 4.0,
    }


def memory_name(device: torch.device) -> str:
    """Return what the memory of a device is called."""
    return "memory" if device.type == "cpu" else GPU_MEMORY


def program(subject: ModelSubject, device: torch.device) -> dict[str, float]:
    """Return the bytes of this process without the subject's weights; they lie beside a GPU's memory."""
    import psutil

    if device.type != "cpu":
        return {}
    held = [p for p in subject.model.parameters() if p.device.type == "cpu"]
    taken = psutil.Process().memory_info().rss - sum(p.numel() * p.itemsize for p in held)
    return {"program": float(max(taken, 0))}


def _ways(found: Costs) -> dict[str, str]:
    return {name: found.counted.get(home, found.counted["language"]) for name, home in _HOME.items()}


def told_speed(fast: Mapping[str, float], device: torch.device) -> str:
    """Return how fast a device was found to be, in words."""
    told = ", ".join(f"{name} {value / 1e9:,.0f}" for name, value in fast.items())
    return f"by a layer of each part, timed on {device} (GFLOP/s: {told})"
