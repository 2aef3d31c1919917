"""What tuning will take, told before it begins, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.dataset import Dataset
from eyechart.plan.activations import kept_of_image, kept_of_text
from eyechart.plan.calibrate import REACHED, speeds
from eyechart.plan.exam import memory_name, program, told_speed
from eyechart.plan.flops import Costs, costs, patches
from eyechart.plan.lengths import EXACT, blank, matrix_type, without_weights
from eyechart.plan.steps import Stretch, frozen_first, step_operations, stretches
from eyechart.plan.tables import Plan, Quantity, with_sum
from eyechart.runs import Run
from eyechart.subjects.components import COMPONENTS, components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.config import TuneConfig

if TYPE_CHECKING:
    import torch

SPLIT = "train"
_PRECISE = 4  # bytes of a gradient and of each of the optimiser's two moments


def planned(
    subject: ModelSubject,
    weights: float,
    dataset: Dataset,
    question: str,
    train: tuple[str, ...],
    config: TuneConfig,
    *,
    device: torch.device,
) -> Plan:
    """Return what tuning will take: counts, operations, time, memory and disk.

    Args:
        subject: the model with its weights, or without (:func:`eyechart.plan.lengths.unloaded`).
        weights: bytes of its weights.
        dataset: whose train split it is trained on.
        question: what is asked of each image.
        train: the trained components.
        config: how it is tuned.
        device: where it will compute; a few matrix products are measured there.
    """
    lesson, images = Shown.of(subject, dataset, question), len(dataset.table(SPLIT))
    parts, adapted = stretches(train, config), tuple(c for c in train if c in config.lora)
    forward = lesson.forward
    extra = {
        c: 2.0 * n * lesson.rows[c] for c, n in adapters(lesson.skeleton, adapted, config.lora_rank).items()
    }
    again = config.gradient_checkpointing
    done = {one.name: step_operations(forward, one, extra, checkpointing=again) for one in parts}
    total = dict.fromkeys(COMPONENTS, 0.0) | {
        c: forward[c] * images for one in parts for c in frozen_first(one)
    }
    for one in parts:
        for component, value in done[one.name].items():
            total[component] += value * one.steps * one.batch
    rows = {c: config.batch * count for c, count in lesson.rows.items()}
    fast = speeds(lesson.skeleton, rows, matrix_type(subject), device)
    seconds = sum(value / fast[component] for component, value in total.items() if value) / REACHED
    memory = _memory(lesson.skeleton, weights, train, config) | {
        "activations": _activations(lesson, parts, config)
    }
    how = getattr(subject, "lengths", EXACT)
    return (
        Quantity("images", images),
        *(Quantity(f"steps: {one.name}", one.steps, "", _told(one)) for one in parts),
        Quantity("tokens of an image", lesson.rows["projector"], "", how),
        Quantity("tokens of prompt and answer", lesson.rows["language"], "", f"{how}; the longest answer"),
        *(
            Quantity(f"operations of an image: {one.name}", sum(done[one.name].values()), "operations")
            for one in parts
        ),
        *with_sum("operations", total, "operations", lesson.costs.counted),
        Quantity("seconds", seconds, "seconds", told_speed(fast, device)),
        *with_sum(memory_name(device), program(subject, device) | memory, "bytes"),
        Quantity("checkpoint on the disk", weights, "bytes"),
        Quantity("features kept on the disk", _cache(lesson, parts, images), "bytes"),
    )


@dataclass(frozen=True)
class Shown:
    """What a model is shown of one image and its question, and what that costs.

    Attributes:
        skeleton: the model on the meta device.
        seen: what its processor makes of the image.
        rows: how many tokens pass each component.
        costs: what an image and a token cost.
        forward: operations of each component's forward pass.
    """

    skeleton: Any
    seen: Mapping[str, Any]
    rows: Mapping[str, int]
    costs: Costs
    forward: Mapping[str, float]

    @classmethod
    def of(cls, subject: ModelSubject, dataset: Dataset, question: str) -> Shown:
        """Return what a subject is shown of an image of the middle size, with the longest answer."""
        table = dataset.table(SPLIT)
        size = (int(table["height"].median()), int(table["width"].median()))
        prompt = subject.prompt(question, size)
        longest = max(len(subject.answer_ids(question, label, size)) for label in dataset.labels)
        skeleton, seen = without_weights(subject), subject.inputs([blank(size)], prompt.text)
        visual, tokens = len(prompt.image_positions), len(prompt.ids) + longest
        rows = {"vision": patches(skeleton, seen), "projector": visual, "language": tokens}
        own = costs(skeleton, seen, visual)
        language = own.language.passing(tokens, tokens) + own.language.head * longest
        forward = {"vision": own.vision, "projector": own.projector, "language": language}
        return cls(skeleton, seen, rows, own, forward)


def took(run: Run, stage: str = "tuning", checkpoint: str = "checkpoint") -> Plan:
    """Return what tuning took, by the names of :func:`planned`, from the run's timings and checkpoint.

    Args:
        run: the run.
        stage: the name of its entries in ``timings.json``; those of a resumed run add up.
        checkpoint: folder of the checkpoint in the run.
    """
    entries = [entry for entry in run.read_json("timings.json") if entry["stage"] == stage]
    peaks = [entry["peak_rss_mib"] for entry in entries if entry["peak_rss_mib"] is not None]
    size = sum(path.stat().st_size for path in (run.path / checkpoint).glob("*.safetensors"))
    return (
        Quantity("seconds", sum(entry["seconds"] for entry in entries), "seconds"),
        *([Quantity("memory", max(peaks) * 2**20, "bytes", "the process as a whole")] if peaks else []),
        *([Quantity("checkpoint on the disk", size, "bytes")] if size else []),
    )


def adapters(skeleton: Any, adapted: Sequence[str], rank: int) -> dict[str, int]:
    """Return how many parameters LoRA adds to each component: rank x (inputs + outputs) a linear layer."""
    import torch

    homes = {id(p): c for c, part in components(skeleton).items() for p in part.values()}
    found, head = dict.fromkeys(adapted, 0), skeleton.get_output_embeddings()
    for module in skeleton.modules():
        if isinstance(module, torch.nn.Linear) and module is not head and homes[id(module.weight)] in found:
            found[homes[id(module.weight)]] += rank * (module.in_features + module.out_features)
    return found


def _told(stretch: Stretch) -> str:
    loss = "the answer's loss" if stretch.language else "the constraints alone, without the language model"
    return f"{stretch.batch} images each; {'+'.join(stretch.train)} on {loss}"


def _memory(skeleton: Any, weights: float, train: tuple[str, ...], config: TuneConfig) -> dict[str, float]:
    parts = components(skeleton)
    added = adapters(skeleton, [c for c in train if c in config.lora], config.lora_rank)
    trained = sum(added[c] if c in added else sum(p.numel() for p in parts[c].values()) for c in train)
    return {
        "weights": weights,
        "copy for the proof": weights,
        "gradients": float(_PRECISE * trained),
        "optimiser": float(2 * _PRECISE * trained),
    }


def _activations(lesson: Shown, parts: Sequence[Stretch], config: TuneConfig) -> float:
    """Return the bytes that the largest step keeps for its backward pass."""
    most = 0.0
    for one in parts:
        each = kept_of_image(lesson.skeleton, lesson.seen, lesson.rows["vision"], one.train)
        each += kept_of_text(lesson.skeleton, lesson.rows["language"], one.train) if one.language else 0.0
        most = max(most, each * one.batch / config.accumulate)
    layers = int(lesson.skeleton.config.get_text_config().num_hidden_layers)
    return most / layers if config.gradient_checkpointing else most  # a layer's at a time, about


def _cache(lesson: Shown, parts: Sequence[Stretch], images: int) -> float:
    """Return the bytes of the features and tokens that are kept, in 16 bits."""
    vision = lesson.skeleton.config.vision_config
    widths = {
        "vision": getattr(vision, "embed_dim", None) or vision.hidden_size,
        "projector": lesson.skeleton.get_input_embeddings().weight.shape[-1],
    }
    kept = {frozen_first(one)[-1] for one in parts if frozen_first(one)}
    return float(2 * images * sum(lesson.rows[name] * widths[name] for name in kept))
