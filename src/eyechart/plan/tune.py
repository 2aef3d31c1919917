"""What tuning will take, told before it begins, and what it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.dataset import Dataset
from eyechart.errors import EyechartError
from eyechart.plan.activations import kept_of_image, kept_of_text
from eyechart.plan.calibrate import Load, speeds
from eyechart.plan.exam import memory_name, program, told_speed
from eyechart.plan.flops import Costs, costs, patches
from eyechart.plan.lengths import EXACT, blank, without_weights
from eyechart.plan.steps import frozen_first, step_operations
from eyechart.plan.tables import Plan, Quantity, with_sum
from eyechart.runs import Run
from eyechart.subjects.components import COMPONENTS, components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import Arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.phases import Phase, phases
from eyechart.tune.units import blocks

if TYPE_CHECKING:
    import torch

SPLIT = "train"
BESIDE = "processor's memory beside it"
_PLAIN = {"input_ids", "attention_mask", "pixel_values"}  # see eyechart.tune.tokens.is_plain
_FLOAT32 = 4  # bytes; projected tokens are kept so


def planned(
    subject: ModelSubject,
    weights: float,
    dataset: Dataset,
    question: str,
    arm: Arm,
    config: TuneConfig,
    *,
    device: torch.device,
    processes: int = 1,
) -> Plan:
    """Return what tuning will take: counts, operations, time, memory of a process, and disk.

    Args:
        subject: the model with its weights, or without (:func:`eyechart.plan.lengths.unloaded`).
        weights: bytes of its weights.
        dataset: whose train split it is trained on.
        question: what is asked of each image.
        arm: the trained components.
        config: how it is tuned.
        device: where it will compute; a few matrix products are measured there.
        processes: how many share each batch, on devices alike; the time is without what they tell each other.
    """
    config = arm.settings(config)
    lesson, images = Shown.of(subject, dataset, question), len(dataset.table(SPLIT))
    parts, forward = phases(arm, config), lesson.forward
    added = _added(lesson, arm, config)
    extra = {c: 2.0 * count * lesson.rows[c] for c, count in added.items()}
    again, kept = config.gradient_checkpointing, lesson.plain
    done = {one.name: step_operations(forward, one, extra, checkpointing=again, kept=kept) for one in parts}
    first = {c for one in parts for c in frozen_first(one)} if kept else set()
    total = {c: forward[c] * images if c in first else 0.0 for c in COMPONENTS}
    for one in parts:
        for component, value in done[one.name].items():
            total[component] += value * one.steps * one.batch
    load = Load(config.batch, lesson.seen, lesson.rows["language"])
    fast = speeds(lesson.skeleton, load, subject.compute == "bfloat16", device)
    seconds = sum(value / fast[component] for component, value in total.items()) / processes
    memory, beside, features = memory_of(lesson, weights, images, arm, config, processes)
    if device.type == "cpu":
        memory, beside = program(subject, device) | memory | beside, {}
    how = getattr(subject, "lengths", EXACT)
    return (
        Quantity("images", images),
        *(Quantity(f"steps: {one.name}", one.steps, "", _told(one)) for one in parts),
        Quantity("images in all steps", sum(one.steps * one.batch for one in parts)),
        Quantity("tokens of an image", lesson.rows["projector"], "", how),
        Quantity("tokens of prompt and answer", lesson.rows["language"], "", f"{how}; the longest answer"),
        *(
            Quantity(f"operations of an image: {one.name}", sum(done[one.name].values()), "operations")
            for one in parts
        ),
        *with_sum("operations", total, "operations", lesson.costs.counted),
        Quantity("seconds", seconds, "seconds", told_speed(fast, device)),
        *with_sum(memory_name(device), memory, "bytes"),
        *(with_sum(BESIDE, beside, "bytes") if beside else ()),
        Quantity("checkpoint on the disk", weights, "bytes"),
        Quantity("features kept on the disk", features, "bytes"),
    )


def memory_of(
    lesson: Shown, weights: float, images: int, arm: Arm, config: TuneConfig, processes: int
) -> tuple[dict[str, float], dict[str, float], float]:
    """Return what a process holds, in bytes: where it computes, in the processor's memory, and of features.

    A GPU does not hold kept features, nor weights while they are spread, nor the first process's copy.
    """
    parts = phases(arm, config)
    features = _features(lesson, parts, images)
    trained = _trained(lesson.skeleton, weights, arm, _added(lesson, arm, config))
    memory = {
        "weights": weights,
        "gradients": trained["gradients"],
        "optimiser": trained["optimiser"],
        "weights as they are multiplied": _cast(lesson, weights, parts),
        "activations": _activations(lesson, parts, config) / processes,
    }
    beside = {"kept features and tokens": sum(features.values()), "copy for the proof": trained["copy"]}
    if config.shard:
        memory |= _spread(lesson.skeleton, memory, processes)
        beside |= {"weights while they are spread": weights}
    return memory, beside, features["vision"]


def _added(lesson: Shown, arm: Arm, config: TuneConfig) -> dict[str, int]:
    """Return how many parameters adapters add to each component that has them."""
    return adapters(lesson.skeleton, [c for c in arm.train if c in config.lora], config.lora_rank)


@dataclass(frozen=True)
class Shown:
    """What a model is shown of one image and its question, and what that costs.

    Attributes:
        skeleton: the model on the meta device.
        seen: what its processor makes of the image.
        rows: how many tokens pass each component.
        costs: what an image and a token cost.
        forward: operations of each component's forward pass.
        plain: whether an image is one array of pixels, so that what is frozen can be kept.
    """

    skeleton: Any
    seen: Mapping[str, Any]
    rows: Mapping[str, int]
    costs: Costs
    forward: Mapping[str, float]
    plain: bool

    @classmethod
    def of(cls, subject: ModelSubject, dataset: Dataset, question: str) -> Shown:
        """Return what a subject is shown of an image of the middle size, with the longest answer.

        Raises:
            EyechartError: there are no train images.
        """
        table = dataset.table(SPLIT)
        if not len(table):
            raise EyechartError("the dataset has no train images", "build it with some: --train-images N")
        size = (int(table["height"].median()), int(table["width"].median()))
        prompt = subject.prompt(question, size)
        longest = max(len(subject.answer_ids(question, label, size)) for label in dataset.labels)
        skeleton, seen = without_weights(subject), subject.inputs([blank(size)], prompt.text)
        visual, tokens = len(prompt.image_positions), len(prompt.ids) + longest
        rows = {"vision": patches(skeleton, seen), "projector": visual, "language": tokens}
        own = costs(skeleton, seen, visual)
        language = own.language.passing(tokens, tokens) + own.language.head * longest
        forward = {"vision": own.vision, "projector": own.projector, "language": language}
        plain = seen["pixel_values"].ndim == 4 and set(seen) <= _PLAIN
        return cls(skeleton, seen, rows, own, forward, plain)


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
        if type(module) is torch.nn.Linear and module is not head and homes[id(module.weight)] in found:
            found[homes[id(module.weight)]] += rank * (module.in_features + module.out_features)
    return found


def _told(phase: Phase) -> str:
    loss = "the answer's loss" if phase.answer else "the constraints alone, without the language model"
    return f"{phase.batch} images each; {'+'.join(phase.train)} on {loss}"


def _trained(skeleton: Any, weights: float, arm: Arm, added: Mapping[str, int]) -> dict[str, float]:
    """Return the bytes beside the weights that what is trained takes, in the weights' own type."""
    sizes = {c: sum(p.numel() for p in part.values()) for c, part in components(skeleton).items()}
    count = sum(added.get(component, sizes[component]) for component in arm.train)
    each = weights / sum(sizes.values())
    return {
        "copy": each * sum(sizes[component] for component in arm.train),
        "gradients": each * count,
        "optimiser": 2 * each * count,  # two moments
    }


def _spread(skeleton: Any, memory: Mapping[str, float], processes: int) -> dict[str, float]:
    """Return what a process holds of weights, gradients and optimiser that are spread (FSDP2).

    The largest block, and what is in no block, are whole while they compute.
    """
    sizes = [sum(p.numel() for p in block.parameters()) for block in blocks(skeleton)]
    every = sum(p.numel() for p in skeleton.parameters())
    whole = (every - sum(sizes) + max(sizes, default=0)) / every
    held = {name: memory[name] / processes for name in ("weights", "gradients", "optimiser")}
    return held | {"weights gathered for the moment": memory["weights"] * whole}


def _cast(lesson: Shown, weights: float, parts: Sequence[Phase]) -> float:
    """Return the bytes of weights that autocast keeps in the products' shorter type, where gradients pass."""
    sizes = {c: sum(p.numel() for p in part.values()) for c, part in components(lesson.skeleton).items()}
    short = lesson.skeleton.dtype.itemsize
    if short >= weights / sum(sizes.values()):
        return 0.0
    most = 0.0
    for one in parts:
        passed = COMPONENTS if one.answer else COMPONENTS[:2]
        first = min(COMPONENTS.index(component) for component in one.train)
        most = max(most, float(short * sum(sizes[component] for component in passed[first:])))
    return most


def _activations(lesson: Shown, parts: Sequence[Phase], config: TuneConfig) -> float:
    """Return the bytes that the largest step keeps for its backward pass."""
    most = 0.0
    for one in parts:
        each = kept_of_image(lesson.skeleton, lesson.seen, lesson.rows["vision"], one.train)
        each += kept_of_text(lesson.skeleton, lesson.rows["language"], one.train) if one.answer else 0.0
        most = max(most, each * one.batch / config.accumulate)
    layers = int(lesson.skeleton.config.get_text_config().num_hidden_layers)
    return most / layers if config.gradient_checkpointing else most  # a layer's at a time, about


def _features(lesson: Shown, parts: Sequence[Phase], images: int) -> dict[str, float]:
    """Return the bytes of the encoder's features, if they are kept, and of projected tokens."""
    last = {frozen_first(one)[-1] for one in parts if lesson.plain and frozen_first(one)}
    vision = lesson.skeleton.config.vision_config
    width = getattr(vision, "embed_dim", None) or vision.hidden_size
    language = lesson.skeleton.get_input_embeddings().weight.shape[-1]
    features = images * lesson.rows["vision"] * width * lesson.skeleton.dtype.itemsize
    tokens = images * lesson.rows["projector"] * language * _FLOAT32
    return {"vision": float(features if last else 0), "projector": float(tokens * ("projector" in last))}
