"""Run one phase: the Trainer's settings, its checkpoints, and where it is taken up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from accelerate import PartialState
from transformers import TrainingArguments

from eyechart.errors import EyechartError
from eyechart.tune.config import TuneConfig
from eyechart.tune.shard import ShardedTrainer, put_back, spread
from eyechart.tune.task import Task
from eyechart.tune.trainer import LARGEST_NORM, WHOLE, ComponentTrainer, Group, Shown

SHORTEST = 3  # steps in which a learning rate can rise and fall


def fit(
    task: Task,
    name: str,
    groups: Sequence[Group],
    shown: Shown,
    batch: int,
    config: TuneConfig,
    folder: Path | None,
    seed: int,
    device: torch.device,
    whole: torch.nn.Module | None = None,
) -> pd.DataFrame:
    """Train the parameters of ``groups`` in place, and return one row a step.

    Args:
        task: the loss.
        name: what progress calls it.
        groups: what trains; everything else is frozen.
        shown: what is shown, ``batch`` a step.
        batch: images a step, over all processes.
        config: settings.
        folder: for checkpoints. If there are any, training goes on from the last whole one. None keeps none.
        seed: of dropout, where a model has any.
        device: where it is computed.
        whole: the model whose values are spread over the processes, where the task is of its twin (see
            :mod:`eyechart.tune.shard`).

    Raises:
        EyechartError: too few steps, or a batch that cannot be divided among the processes.
    """
    steps = len(shown.train) // batch
    if steps < SHORTEST:
        raise EyechartError(f"{steps} steps are too few for {name}", f"take at least {SHORTEST}")
    task.requires_grad_(False)
    named = dict(task.named_parameters())
    for parameter in (*(named[f"model.{n}"] for group in groups for n in group.names), *task.learned):
        parameter.requires_grad_(True)
    with nullcontext(folder) if folder else TemporaryDirectory() as place:
        if folder is None:
            config = config.model_copy(update={"save_every": steps})  # at the end nothing is saved
        args = arguments(batch, steps, config, Path(place), seed, device.type)
        kind = ComponentTrainer
        if whole is not None:
            spread(task, whole, device)
            kind = ShardedTrainer
        trainer = kind(task, name, groups, shown, args, config)
        with _checkpointing(task.model, config.gradient_checkpointing):
            trainer.train(resume_from_checkpoint=_last_whole(Path(place)))
    if whole is not None:
        put_back(task, whole)
    return trainer.table()


@contextmanager
def _checkpointing(model: Any, wanted: bool) -> Iterator[None]:
    """Compute the activations of each layer again in the backward pass, and do not keep them."""
    if not wanted:
        yield
        return
    kind = "activation" if hasattr(model, "activation_checkpointing_enable") else "gradient"
    getattr(model, f"{kind}_checkpointing_enable")({"use_reentrant": False})
    try:
        yield
    finally:
        getattr(model, f"{kind}_checkpointing_disable")()


def arguments(batch: int, steps: int, config: TuneConfig, folder: Path, seed: int, device: str) -> Any:
    """Return the Trainer's settings.

    Raises:
        EyechartError: the batch does not divide.
    """
    processes = PartialState().num_processes
    share, left = divmod(batch, processes * config.accumulate)
    if left:
        raise EyechartError(
            f"a batch of {batch} images does not divide into {processes} processes times "
            f"{config.accumulate} parts",
            "choose another batch, or other parts (--accumulate)",
        )
    found = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=share,
        gradient_accumulation_steps=config.accumulate,
        train_sampling_strategy="sequential",  # the order is drawn before
        max_grad_norm=LARGEST_NORM,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=config.evaluate_every if config.patience else config.save_every,
        eval_strategy="steps" if config.patience else "no",
        eval_steps=config.evaluate_every,
        load_best_model_at_end=config.patience > 0,
        metric_for_best_model="loss" if config.patience else None,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to="none",
        seed=seed,
        use_cpu=device == "cpu" and config.deepspeed is None,  # for a CPU, accelerate passes over DeepSpeed
        deepspeed=config.deepspeed,
    )
    found._n_gpu = min(found.n_gpu, 1)  # one process never spreads a batch over several GPUs
    return found


def _last_whole(folder: Path) -> str | None:
    """Return the last whole checkpoint; what a killed run left half written is removed."""
    found = {int(path.name.rpartition("-")[2]): path for path in folder.glob("checkpoint-*")}
    for step in [step for step, path in found.items() if not (path / WHOLE).is_file()]:
        shutil.rmtree(found.pop(step), ignore_errors=True)
    return str(found[max(found)]) if found else None
