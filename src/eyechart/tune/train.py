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
from eyechart.tune.loss import Alignment, answer_losses
from eyechart.tune.memory import keep_memory
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

    Up to three phases, each with its own learning-rate cycle: the projector alone over kept features, then
    the vision path, both on the alignment constraint and without running the language model; then every
    trained component on the language model's loss of the answer, plus the weighted constraint. The projector
    goes first because one that fits nothing yet would tear the encoder's features apart.

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
    keep_memory()
    before = snapshot(subject.model)
    draw = rng(seed, "tune", arm.name, "order")
    constraint = Alignment(subject, lesson.labels) if {"vision", "projector"} & set(arm.train) else None
    adapter = _adapt(subject, config) if "language" in arm.train else None
    groups = _trainable(subject, arm, config)
    trainable = {name: sum(p.numel() for p in group["params"]) for name, group in groups.items()}
    losses = [
        _phase(subject, lesson, config, constraint, groups, phase, draw)
        for phase in _phases(subject, arm, lesson, config, cache)
    ]
    if adapter is not None:
        adapter.merge_and_unload()
    subject.model.requires_grad_(False).eval()
    table = pd.concat(losses, ignore_index=True).rename_axis("step").reset_index()
    table["seconds"] = (table["seconds"].cumsum() * 100).round() / 100
    proof = prove(before, subject.model, arm.train)
    for component, row in proof["components"].items():
        row["trainable"] = trainable.get(component, 0)
    return Tuned(table, proof)


@dataclass(frozen=True)
class Phase:
    """A stretch of training: what trains, how long, on which tokens, and whether it is the answer's loss."""

    name: str
    train: tuple[str, ...]
    steps: int
    batch: int
    tokens: Callable[[NDArray[np.int64]], torch.Tensor]
    answer: bool


def _phases(
    subject: ModelSubject, arm: Arm, lesson: Lesson, config: TuneConfig, cache: Path | None
) -> Iterator[Phase]:
    """Yield the phases of an arm; each makes its inputs when its turn comes."""
    path = tuple(c for c in arm.train if c != "language")
    if "projector" in path and config.projector_steps:
        kept = _from_features(subject, lesson, cache)
        yield Phase("projector", ("projector",), config.projector_steps, 4 * config.batch, kept, answer=False)
    if "vision" in path:
        tokens = _from_pixels(subject, lesson)
        if config.alignment_steps:
            yield Phase("alignment", path, config.alignment_steps, config.batch, tokens, answer=False)
    elif "projector" in path:
        tokens = _from_features(subject, lesson, cache)
    else:
        tokens = _fixed(subject, lesson, cache)
    yield Phase("answer", arm.train, config.steps, config.batch, tokens, answer=True)


def _from_pixels(subject: ModelSubject, lesson: Lesson) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    return lambda rows: subject.project(subject.pixel_values([lesson.images[i] for i in rows]))


def _from_features(
    subject: ModelSubject, lesson: Lesson, cache: Path | None
) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    features = projector_inputs(subject, lesson.images, cache)
    return lambda rows: subject.projector(features[rows].to(subject.device).float())


def _fixed(
    subject: ModelSubject, lesson: Lesson, cache: Path | None
) -> Callable[[NDArray[np.int64]], torch.Tensor]:
    """Return the visual tokens of a vision path that nothing trains: projected once."""
    import torch

    project, count = _from_features(subject, lesson, cache), len(lesson.images)
    with torch.no_grad(), subject.precision():
        parts = [project(np.arange(i, min(i + 200, count))).float() for i in range(0, count, 200)]
    tokens = torch.cat(parts)
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


def _trainable(subject: ModelSubject, arm: Arm, config: TuneConfig) -> dict[str, dict[str, Any]]:
    """Return the optimiser's group of each chosen component: parameters, peak learning rate, weight decay."""
    adapters = [p for name, p in subject.model.named_parameters() if "lora_" in name]
    groups = {}
    for component, parameters in components(subject.model).items():
        if component in arm.train:
            language = component == "language"
            groups[component] = {
                "params": adapters if language else list(parameters.values()),
                "lr": getattr(config.learning_rates, component),
                "weight_decay": 0.0 if language else 0.02,
            }
    return groups


def _phase(
    subject: ModelSubject,
    lesson: Lesson,
    config: TuneConfig,
    constraint: Alignment | None,
    groups: dict[str, dict[str, Any]],
    phase: Phase,
    draw: np.random.Generator,
) -> pd.DataFrame:
    """Run one phase; gradients are on in its components alone."""
    import torch

    if phase.steps < SHORTEST:
        raise EyechartError(f"{phase.steps} steps are too few for {phase.name}", f"take at least {SHORTEST}")
    subject.model.requires_grad_(False).train()
    chosen = [dict(groups[component]) for component in phase.train]
    parameters = [p for group in chosen for p in group["params"]]
    for parameter in parameters:
        parameter.requires_grad_(True)
    if constraint is not None:
        chosen.append({"params": [constraint.log_scale], "lr": 1e-2, "weight_decay": 0.0})
    optimiser = torch.optim.AdamW(chosen)
    rise = max(config.warmup, 2 / phase.steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [g["lr"] for g in chosen], phase.steps, pct_start=rise
    )
    log = []
    batches = _batches(len(lesson.targets), phase.batch, phase.steps, draw)
    for rows in track(batches, f"tuning, {phase.name}", phase.steps):
        started = time.monotonic()
        loss, parts = _loss(subject, lesson, config, constraint, phase, rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        rate = schedule.get_last_lr()[0]
        schedule.step()
        seconds = time.monotonic() - started
        log.append({"phase": phase.name, "seconds": seconds, **parts, "learning_rate": rate})
    return pd.DataFrame(log)


def _loss(
    subject: ModelSubject,
    lesson: Lesson,
    config: TuneConfig,
    constraint: Alignment | None,
    phase: Phase,
    rows: NDArray[np.int64],
) -> tuple[torch.Tensor, dict[str, float]]:
    """Return the loss of a batch, and its value and parts for the log."""
    import torch

    with subject.precision():
        tokens = phase.tokens(rows).float()
    loss, parts = tokens.new_zeros(()), {"lm": float("nan"), "alignment": float("nan")}
    if constraint is not None:
        aligned = constraint.loss(tokens, torch.from_numpy(lesson.targets[rows]).to(tokens.device))
        parts["alignment"] = aligned.item()
        loss = loss + aligned * (config.alignment if phase.answer else 1.0)
    if phase.answer:
        size = lesson.images[0].shape[:2]
        prompt = subject.prompt(lesson.question, size)
        answers = [subject.answer_ids(lesson.question, lesson.labels[t], size) for t in lesson.targets[rows]]
        lm = answer_losses(subject, tokens, [prompt] * len(rows), answers).mean()
        parts["lm"] = lm.item()
        loss = loss + lm
    return loss, {"loss": loss.item(), **parts}


def _batches(count: int, size: int, total: int, draw: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield ``total`` batches of rows; every epoch is a fresh permutation."""
    left = np.empty(0, np.int64)
    for _ in range(total):
        while len(left) < size:
            left = np.concatenate([left, draw.permutation(count)])
        yield left[:size]
        left = left[size:]
