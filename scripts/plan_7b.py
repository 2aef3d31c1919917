"""The memory that a 7B model's tuning takes, by recipe: the table of docs/tuning.md.

    python scripts/plan_7b.py

The model is LLaVA-1.5-7B's architecture, transformers' default for its class, without weights; nothing is
downloaded or timed. ``eyechart plan tune`` prints the same, and the time, of any model on its own device.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from transformers import LlavaConfig

from eyechart.dataset import DatasetConfig, build_dataset
from eyechart.plan.lengths import unloaded
from eyechart.plan.tables import told
from eyechart.plan.tune import Shown, memory_of
from eyechart.subjects.memory import weights_need
from eyechart.subjects.options import LoadOptions
from eyechart.templates import load_templates
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig

_WHOLE, _HALF = LoadOptions(), LoadOptions(dtype="bfloat16")


@dataclass(frozen=True)
class Recipe:
    """One way to tune: the command's options, and how many GPUs share it."""

    name: str
    train: str
    config: TuneConfig
    gpus: int = 1
    load: LoadOptions = _WHOLE


_ALL = ("vision", "projector", "language")
_SAVING = {"gradient_checkpointing": True, "batch": 16}
RECIPES = (
    Recipe("alignment alone", "vision+projector-aligned", TuneConfig(batch=16)),
    Recipe("LoRA everywhere", "all", TuneConfig(lora=_ALL, accumulate=4, **_SAVING), load=_HALF),
    Recipe("vision path in full", "vision+projector", TuneConfig(accumulate=4, **_SAVING)),
    Recipe("LoRA everywhere", "all", TuneConfig(lora=_ALL, **_SAVING), 8, _HALF),
    Recipe("vision path in full", "vision+projector", TuneConfig(**_SAVING), 8),
    Recipe("vision path in full, spread", "vision+projector", TuneConfig(shard=True, **_SAVING), 8),
    Recipe("everything in full, spread", "all", TuneConfig(shard=True, lora=(), **_SAVING), 8),
)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="eyechart-") as folder:
        config = LlavaConfig(architectures=["LlavaForConditionalGeneration"])
        config.save_pretrained(Path(folder) / "llava-1.5-7b")
        dataset = build_dataset(DatasetConfig(name="few", train_images=8, test_contents=2), Path(folder))
        question = next(t for t in load_templates() if t.split == "train").question(dataset.labels)
        print("| recipe | GPUs | a GPU holds | of it | processor's memory of each process |")
        print("|---|---|---|---|---|")
        for one in RECIPES:
            shell = unloaded(str(Path(folder) / "llava-1.5-7b"), one.load)
            weights = float(weights_need(shell.model, one.load).total)
            lesson, chosen = Shown.of(shell, dataset, question), arm(one.train)
            settings, images = chosen.settings(one.config), DatasetConfig().train_images
            memory, beside, _ = memory_of(lesson, weights, images, chosen, settings, one.gpus)
            parts = ", ".join(f"{name} {told(value, 'bytes')}" for name, value in memory.items() if value)
            whole = told(sum(memory.values()), "bytes")
            print(f"| {one.name} | {one.gpus} | {whole} | {parts} | {told(sum(beside.values()), 'bytes')} |")


if __name__ == "__main__":
    main()
