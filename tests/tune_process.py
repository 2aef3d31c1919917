"""Tune a tiny model in a process of its own, which may be killed, or be one of several."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import tiny
import torch
from safetensors.torch import save_file

from eyechart.tune import fit
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig
from eyechart.tune.lesson import Lesson
from eyechart.tune.train import tune

SETTINGS: dict[str, Any] = {
    "projector_steps": 3,
    "alignment_steps": 6,
    "steps": 5,
    "batch": 4,
    "save_every": 2,
    "learning_rates": {"vision": 1e-3, "projector": 1e-3, "language": 1e-2},
}


class _Deadly(list[Any]):
    """Images, at the so-manieth reading of which the process is killed as by ``kill -9``."""

    left = 0

    def __getitem__(self, row: Any) -> Any:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(row)


def lesson() -> Lesson:
    """Return a toy task of 8 images and 4 labels, of two contents, in two wordings."""
    images = _Deadly(tiny.images(8))
    questions = ("What is the main distortion of this image?", "Name what is wrong with the photo.")
    contents = tuple("abababab")
    sizes = ((112, 112),) * 8
    return Lesson(images, np.arange(8) % 4, tiny.LABELS, questions, sizes, contents, identity="toy")


def note_what_is_held(folder: Path) -> None:
    """File what this process holds of the numbers that train, and of how many, when a phase ends."""
    from torch.distributed.tensor import DTensor

    end = vars(fit)["put_back"]

    def put_back(task: Any, model: Any) -> None:
        trained = [p for p in task.model.parameters() if p.requires_grad]
        held = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in trained)
        (folder / "held").write_text(json.dumps([held, sum(p.numel() for p in trained)]), encoding="utf-8")
        end(task, model)

    vars(fit)["put_back"] = put_back


def run(folder: Path, name: str, kill: int = 0, **more: Any) -> None:
    """Tune; the phases and checkpoints are kept in ``folder / "cache"``."""
    torch.set_num_threads(1)
    subject, task = tiny.internvl(), lesson()
    task.images.left = kill  # type: ignore[attr-defined]
    if more.get("shard") and os.environ["RANK"] == "0":
        note_what_is_held(folder)
    tuned = tune(subject, arm(name), task, TuneConfig(**{**SETTINGS, **more}), seed=0, cache=folder / "cache")
    if int(os.environ.get("RANK", "0")) == 0:
        tuned.losses.to_csv(folder / "losses.csv", index=False)
        save_file({n: p.detach().clone() for n, p in subject.model.named_parameters()}, folder / "weights")
