"""The training loop: transformers' Trainer, which also brings several processes, FSDP and DeepSpeed.

What is added: a learning rate for each component, weight decay and clipping as in the groups given, the
parts of the loss in the log, and checkpoints of what trains alone, which a killed run is taken up from.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    get_scheduler,
)

from eyechart.progress import track
from eyechart.tune.batches import batches
from eyechart.tune.config import TuneConfig
from eyechart.tune.task import LEARNED, Task

WHOLE = "WHOLE"  # lies in a checkpoint that is complete
LARGEST_NORM = 1.0  # of the gradient
_LEARNED_RATE = 1e-2  # of what constraints learn themselves


@dataclass(frozen=True)
class Group:
    """Parameters of one component: their names in the model, peak learning rate, weight decay."""

    names: tuple[str, ...]
    rate: float
    decay: float


@dataclass(frozen=True)
class Shown:
    """What a phase shows, one after the other: (row, question) pairs, to train on and to evaluate on."""

    train: Sequence[tuple[int, int]]
    evaluate: Sequence[tuple[int, int]] = ()


class ComponentTrainer(Trainer):  # type: ignore[misc]
    """Trains chosen components of a :class:`Task`.

    Args:
        task: the loss; gradients are on where it is to be trained.
        name: what progress calls it.
        groups: what trains of the model.
        shown: what is shown.
        args: the Trainer's settings.
        config: ours.
    """

    control: Any
    lr_scheduler: Any

    def __init__(
        self,
        task: Task,
        name: str,
        groups: Sequence[Group],
        shown: Shown,
        args: TrainingArguments,
        config: TuneConfig,
    ) -> None:
        self._groups, self._config, self._began = groups, config, 0.0
        self._parts: dict[str, torch.Tensor] = {}
        callbacks: list[Any] = [_Progress(f"tuning, {name}", args.max_steps)]
        if config.patience:
            callbacks.append(EarlyStoppingCallback(config.patience))
        super().__init__(
            task,
            args,
            data_collator=_collate,
            train_dataset=shown.train,
            eval_dataset=shown.evaluate or None,
            callbacks=callbacks,
        )
        self.remove_callback(PrinterCallback)

    def create_optimizer(self, model: Any = None) -> Any:
        """Return AdamW with a group for each component, and one for what constraints learn."""
        named = dict((model or self.model).named_parameters())
        chosen: list[dict[str, Any]] = [
            {"params": [named[f"model.{n}"] for n in g.names], "lr": g.rate, "weight_decay": g.decay}
            for g in self._groups
        ]
        learned = [p for name, p in named.items() if name.startswith(f"{LEARNED}.")]
        if learned:
            chosen.append({"params": learned, "lr": _LEARNED_RATE, "weight_decay": 0.0})
        self.optimizer = self._adam = torch.optim.AdamW(chosen)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Return the course of the learning rates over so many steps.

        It is AdamW's own: what DeepSpeed wraps around it lacks what the one-cycle course reads.
        """
        if self.lr_scheduler is None:
            rise = max(self._config.warmup, 2 / num_training_steps)
            if self._config.schedule == "one-cycle":
                rates = [group["lr"] for group in self._adam.param_groups]
                self.lr_scheduler = torch.optim.lr_scheduler.OneCycleLR(
                    self._adam, rates, num_training_steps, pct_start=rise
                )
            else:
                kind = (
                    "constant_with_warmup" if self._config.schedule == "constant" else self._config.schedule
                )
                self.lr_scheduler = get_scheduler(
                    kind, self._adam, round(rise * num_training_steps), num_training_steps
                )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _clip_grad_norm(self, model: Any) -> Any:
        """Clip what trains of the model; what constraints learn themselves counts apart."""
        groups = self.optimizer.param_groups[: len(self._groups)]
        return self.accelerator.clip_grad_norm_([p for g in groups for p in g["params"]], LARGEST_NORM)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Note when the step began, and compute its gradient."""
        self._began = self._began or time.monotonic()
        return super().training_step(model, inputs, num_items_in_batch)

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        """Return the loss, and note its parts for the log."""
        parts = model(**inputs)
        loss = parts.pop("loss")
        for name, value in parts.items():
            share = value / self.current_gradient_accumulation_steps
            self._parts[name] = self._parts[name] + share if name in self._parts else share
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add a step's seconds and the parts of its loss, over all processes, to its entry."""
        if "grad_norm" in logs:  # of a step
            means = {name: self.accelerator.reduce(v, "mean").item() for name, v in self._parts.items()}
            logs |= {"seconds": time.monotonic() - self._began, **means}
            self._parts, self._began = {}, 0.0
        super().log(logs, start_time)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Return the mean loss of what is held out; every process computes all of it."""
        total = torch.zeros((), device=self.args.device)
        self.model.eval()
        with torch.no_grad():
            for stretch in batches(len(self.eval_dataset), self.args.per_device_train_batch_size):
                few = self.eval_dataset[stretch]
                total += self.model(**self._prepare_inputs(_collate(few)))["loss"] * len(few)
        metrics = {"eval_loss": total.item() / len(self.eval_dataset)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save what trains, and what the model counts (running means), not what is frozen."""
        if not self.args.should_save:
            return
        from safetensors.torch import save_file

        frozen = {
            name for name, p in self.model.named_parameters(remove_duplicate=False) if not p.requires_grad
        }
        shared = {n for n, _ in self.model.named_parameters(remove_duplicate=False)} - {
            n for n, _ in self.model.named_parameters()
        }
        found = self.model.state_dict() if state_dict is None else state_dict
        kept = {n: v.detach().cpu().contiguous() for n, v in found.items() if n not in frozen | shared}
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save a checkpoint; those before it are removed only when it is whole."""
        if self.state.global_step >= self.state.max_steps and not self._config.patience:
            return  # the phase ends, and its end is kept by the caller
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder = Path(self.args.output_dir)
            now = folder / f"checkpoint-{self.state.global_step}"
            (now / WHOLE).touch()
            best = Path(self.state.best_model_checkpoint or now)
            for found in folder.glob("checkpoint-*"):
                if found.name not in (now.name, best.name):
                    shutil.rmtree(found)

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Say nothing of the frozen tensors, which no checkpoint holds."""

    def table(self) -> pd.DataFrame:
        """Return one row a step: seconds, loss, its parts, the first learning rate, the held-out loss."""
        history = self.state.log_history
        rows = [entry for entry in history if "grad_norm" in entry]
        names = ["seconds", "loss", *(n for n in rows[0] if n == "lm" or n in self._config.constraints)]
        found = pd.DataFrame(rows)[[*names, "learning_rate"]]
        if self._config.patience:
            held = {entry["step"]: entry["eval_loss"] for entry in history if "eval_loss" in entry}
            found["held_out"] = [held.get(entry["step"]) for entry in rows]
        return found


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Moves the progress bar."""

    def __init__(self, what: str, steps: int) -> None:
        self._bar = track(range(steps + 1), what, steps)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        next(self._bar)

    def on_step_end(self, *_: Any, **__: Any) -> None:
        next(self._bar, None)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._bar.close()  # type: ignore[attr-defined]


def _collate(pairs: Sequence[tuple[int, int]]) -> dict[str, torch.Tensor]:
    rows, wordings = torch.tensor(list(pairs)).T
    return {"rows": rows, "wordings": wordings}
