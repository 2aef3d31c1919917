"""Train the chosen components of a subject, and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from eyechart.seeds import rng, seed_of
from eyechart.subjects.components import components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import Arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.loss import Alignment
from eyechart.tune.memory import keep_memory
from eyechart.tune.phases import Lesson, Phase, fixed, from_features, from_pixels, run_phase
from eyechart.tune.proof import prove, snapshot

LANGUAGE = "language"


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
        cache: folder for what arms share: the frozen encoder's features, and the vision path after its own
            phases. It must belong to one subject, lesson, configuration and seed.

    Raises:
        EyechartError: too few steps, or the proof failed.
    """
    import torch

    keep_memory()
    before = snapshot(subject.model)
    path = tuple(c for c in arm.train if c != LANGUAGE)
    constraint = Alignment(subject, lesson.labels) if path else None
    losses = [_align(subject, path, lesson, config, constraint, seed, cache)] if constraint else []
    torch.manual_seed(seed_of(seed, "tune", arm.name) % 2**63)  # the adapter's first values
    adapter = _adapt(subject, config) if LANGUAGE in arm.train else None
    groups = _trainable(subject, arm.train, config)
    if "vision" in path:
        tokens = from_pixels(subject, lesson)
    else:
        tokens = (from_features if path else fixed)(subject, lesson, _features(cache))
    answer = Phase("answer", arm.train, config.steps, config.batch, tokens, answer=True)
    draw = rng(seed, "tune", arm.name, "order")
    losses.append(run_phase(subject, lesson, config, constraint, groups, answer, draw))
    if adapter is not None:
        adapter.merge_and_unload()
    subject.model.requires_grad_(False).eval()
    proof = prove(before, subject.model, arm.train)
    for component, row in proof["components"].items():
        trained = groups.get(component, {"params": []})["params"]
        row["trainable"] = sum(p.numel() for p in trained)
    table = pd.concat(losses, ignore_index=True).rename_axis("step").reset_index()
    return Tuned(table.assign(seconds=(table["seconds"].cumsum() * 100).round() / 100), proof)


def _features(cache: Path | None) -> Path | None:
    return cache / "features.safetensors" if cache else None


def _align(
    subject: ModelSubject,
    path: tuple[str, ...],
    lesson: Lesson,
    config: TuneConfig,
    constraint: Alignment,
    seed: int,
    cache: Path | None,
) -> pd.DataFrame:
    """Run the phases in which the language model has no part; arms with the same vision path share them."""
    from safetensors.torch import load_file, save_file

    weights = {n: p for c in path for n, p in components(subject.model)[c].items()} | {
        "temperature": constraint.log_scale
    }
    kept = cache / f"aligned-{'+'.join(path)}.safetensors" if cache else None
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
    if kept is not None and kept.is_file():
        for name, value in load_file(kept).items():
            weights[name].data.copy_(value)
        return pd.read_csv(kept.with_suffix(".csv"))
    groups, draw = _trainable(subject, path, config), rng(seed, "align", *path)
    losses = []
    if "projector" in path and config.projector_steps:
        tokens = from_features(subject, lesson, _features(cache))
        size = 4 * config.batch  # no encoder is run: large batches are cheap
        first = Phase("projector", ("projector",), config.projector_steps, size, tokens, answer=False)
        losses.append(run_phase(subject, lesson, config, constraint, groups, first, draw))
    if "vision" in path and config.alignment_steps:
        tokens = from_pixels(subject, lesson)
        then = Phase("alignment", path, config.alignment_steps, config.batch, tokens, answer=False)
        losses.append(run_phase(subject, lesson, config, constraint, groups, then, draw))
    table = pd.concat(losses, ignore_index=True) if losses else pd.DataFrame()
    if kept is not None and losses:
        table.to_csv(kept.with_suffix(".csv"), index=False)
        fresh = kept.with_suffix(".part")
        save_file({name: p.detach().cpu().contiguous() for name, p in weights.items()}, fresh)
        fresh.replace(kept)
    return table


def _adapt(subject: ModelSubject, config: TuneConfig) -> Any:
    """Put a LoRA adapter on the linear layers of the language model; returns the PEFT wrapper."""
    from peft import LoraConfig, get_peft_model
    from torch import nn

    named = dict(subject.model.named_modules())
    (prefix,) = (name for name, module in named.items() if module is subject.language)
    # A projection may exist once for text and once for image positions (mPLUG-Owl2).
    pattern = rf"{re.escape(prefix)}\.layers\.\d+\..*(q|k|v|o|gate|up|down)_proj(\.multiway\.\d)?"
    linear = [n for n, module in named.items() if isinstance(module, nn.Linear) and re.fullmatch(pattern, n)]
    return get_peft_model(
        subject.model, LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, target_modules=linear)
    )


def _trainable(
    subject: ModelSubject, chosen: tuple[str, ...], config: TuneConfig
) -> dict[str, dict[str, Any]]:
    """Return the optimiser's group of each chosen component: parameters, peak learning rate, weight decay."""
    adapters = [p for name, p in subject.model.named_parameters() if "lora_" in name]
    groups = {}
    for component, parameters in components(subject.model).items():
        if component in chosen:
            language = component == LANGUAGE
            groups[component] = {
                "params": adapters if language else list(parameters.values()),
                "lr": getattr(config.learning_rates, component),
                "weight_decay": 0.0 if language else 0.02,
            }
    return groups
