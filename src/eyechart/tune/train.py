"""Train the chosen components of a subject, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.seeds import rng, seed_of
from eyechart.subjects.components import components
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.tune.arms import Arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.features import projector_inputs
from eyechart.tune.loss import Alignment, answer_losses, autocast
from eyechart.tune.proof import prove, snapshot

if TYPE_CHECKING:
    import torch

SHORTEST = 3  # steps in which a learning rate can rise and fall


@dataclass(frozen=True)
class Lesson:
    """What an arm is trained on.

    Attributes:
        images: uint8 HWC RGB, all of one size.
        targets: index of each image's label, int64 [n].
        labels: the labels.
        question: the train template's question, as it is asked.
    """

    images: list[Pixels]
    targets: NDArray[np.int64]
    labels: tuple[str, ...]
    question: str


@dataclass(frozen=True)
class Tuned:
    """What tuning did: one row of losses a step, and the proof of what changed."""

    losses: pd.DataFrame
    proof: dict[str, Any]


def tune(
    subject: ModelSubject,
    arm: Arm,
    lesson: Lesson,
    config: TuneConfig,
    *,
    seed: int,
    cache: Path | None = None,
) -> Tuned:
    """Train the components of ``arm`` in place and prove that exactly they changed.

    The vision path, where it is trained, first meets the alignment constraint alone (the language model is
    not run); then every trained component meets the language model's loss of the answer, plus the weighted
    constraint.

    Args:
        subject: the model, changed in place.
        arm: the components to train (the language model by LoRA, merged at the end).
        lesson: images, labels and the train template.
        config: settings.
        seed: the run's seed.
        cache: file for the frozen encoder's features (see :func:`projector_inputs`).

    Raises:
        EyechartError: too few steps, or the proof failed.
    """
    import torch

    torch.manual_seed(seed_of(seed, "tune", arm.name) % 2**63)
    before = snapshot(subject.model)
    path = _vision_path(subject, arm, lesson, cache)
    constraint = Alignment(subject, lesson.labels) if {"vision", "projector"} & set(arm.train) else None
    adapter = _adapt(subject, config) if "language" in arm.train else None
    groups = _trainable(subject, arm, config)
    if constraint is not None:
        groups.append({"params": [constraint.log_scale], "lr": 1e-2, "weight_decay": 0.0})
    losses = _run(subject, path, lesson, config, groups, constraint, rng(seed, "tune", arm.name, "order"))
    if adapter is not None:
        adapter.merge_and_unload()
    subject.model.requires_grad_(False).eval()
    return Tuned(losses, prove(before, subject.model, arm.train))


def _vision_path(
    subject: ModelSubject, arm: Arm, lesson: Lesson, cache: Path | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function from rows of the lesson to visual tokens, with gradient where it is trained."""
    import torch

    if "vision" in arm.train:
        pixels = torch.cat(
            [subject.pixel_values(lesson.images[i : i + 100]) for i in range(0, len(lesson.images), 100)]
        )
        return lambda rows: subject.project(pixels[rows])
    features = projector_inputs(subject, lesson.images, cache)
    device = subject.device
    if "projector" in arm.train:
        return lambda rows: subject.projector(features[rows].to(device).float())
    with torch.no_grad(), autocast(device):
        tokens = torch.cat(
            [subject.projector(part.to(device).float()).float() for part in torch.split(features, 200)]
        )
    return lambda rows: tokens[rows]


def _adapt(subject: ModelSubject, config: TuneConfig) -> Any:
    """Put a LoRA adapter on the linear layers of the language model; returns the PEFT wrapper."""
    from peft import LoraConfig, get_peft_model

    inside = {name for name, module in subject.model.named_modules() if module is subject.language}
    (prefix,) = inside
    target = rf"{prefix.replace('.', chr(92) + '.')}\.layers\.\d+\..*(q|k|v|o|gate|up|down)_proj"
    return get_peft_model(
        subject.model, LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules=target)
    )


def _trainable(subject: ModelSubject, arm: Arm, config: TuneConfig) -> list[dict[str, Any]]:
    """Switch gradients on in the chosen components alone; returns the optimiser's groups."""
    adapters = [p for name, p in subject.model.named_parameters() if "lora_" in name]
    subject.model.requires_grad_(False)
    groups: list[dict[str, Any]] = []
    for component, parameters in components(subject.model).items():
        if component not in arm.train:
            continue
        chosen = adapters if component == "language" else list(parameters.values())
        for parameter in chosen:
            parameter.requires_grad_(True)
        decay = 0.0 if component == "language" else 0.02
        groups.append({"params": chosen, "lr": config.learning_rates[component], "weight_decay": decay})
    return groups


def _run(
    subject: ModelSubject,
    path: Callable[[torch.Tensor], torch.Tensor],
    lesson: Lesson,
    config: TuneConfig,
    groups: list[dict[str, Any]],
    constraint: Alignment | None,
    draw: np.random.Generator,
) -> pd.DataFrame:
    import torch

    subject.model.train()
    size = lesson.images[0].shape[:2]
    prompt = subject.prompt(lesson.question, size)
    answers = [subject.answer_ids(lesson.question, label, size) for label in lesson.labels]
    alignment_steps = config.alignment_steps if constraint is not None else 0
    total = alignment_steps + config.steps
    if total < SHORTEST:
        raise EyechartError(f"{total} steps are too few for tuning", f"take at least {SHORTEST}")
    optimiser = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [g["lr"] for g in groups], total, pct_start=max(config.warmup, 2 / total)
    )
    targets, device = torch.from_numpy(lesson.targets), subject.device
    log, started = [], time.monotonic()
    for step, rows in enumerate(track(_batches(len(targets), config.batch, total, draw), "tuning", total)):
        with autocast(device):
            tokens = path(torch.from_numpy(rows)).float()
        loss, parts = torch.zeros((), device=device), {"lm": float("nan"), "alignment": float("nan")}
        if constraint is not None:
            aligned = constraint.loss(tokens, targets[rows].to(device))
            parts["alignment"] = aligned.item()
            loss = loss + aligned * (1.0 if step < alignment_steps else config.alignment)
        if step >= alignment_steps:
            asked = [answers[t] for t in lesson.targets[rows]]
            lm = answer_losses(subject, tokens, [prompt] * len(rows), asked).mean()
            parts["lm"] = lm.item()
            loss = loss + lm
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([p for g in groups for p in g["params"]], 1.0)
        optimiser.step()
        rate = schedule.get_last_lr()[0]
        schedule.step()
        seconds = round(time.monotonic() - started, 2)
        log.append({"step": step, "seconds": seconds, "loss": loss.item(), **parts, "learning_rate": rate})
    return pd.DataFrame(log)


def _batches(count: int, size: int, total: int, draw: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield ``total`` batches of rows; every epoch is a fresh permutation."""
    left = np.empty(0, np.int64)
    for _ in range(total):
        while len(left) < size:
            left = np.concatenate([left, draw.permutation(count)])
        yield left[:size]
        left = left[size:]
