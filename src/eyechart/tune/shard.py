"""Weights, gradients and optimiser spread over the processes (FSDP2, torch's ``fully_shard``).

accelerate offers FSDP2 on GPUs alone and passes over it on CPUs. Here torch does it, alike on both: the
subject's own weights move to the processor's memory, a twin of the model holds the parts of this process
while a phase trains, and what was trained is put back whole. So everything before and after (the cache, the
proof, adapters, the checkpoint) is what it is in one process.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME
from transformers.utils import SAFE_WEIGHTS_NAME

from eyechart.subjects.model import ModelSubject
from eyechart.tune.task import Task
from eyechart.tune.trainer import ComponentTrainer
from eyechart.tune.units import blocks

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@contextmanager
def twin(subject: ModelSubject) -> Iterator[ModelSubject]:
    """Yield a subject whose model has no values yet; the given one's lie in the processor's memory meanwhile.

    The twin's parameters are on the meta device; :func:`spread` fills them.
    """
    device, model = subject.device, subject.model
    empty: dict[int, Any] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    pupil = copy.copy(subject)
    pupil.model = copy.deepcopy(model, empty)  # the memo stands for copies of parameters
    _move(model, torch.device("cpu"))
    try:
        yield pupil
    finally:
        _move(model, device)


def _move(model: nn.Module, device: torch.device) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data.to(device)


def spread(task: Task, model: nn.Module, device: torch.device) -> None:
    """Give this process its part of the parameters of a twin's task.

    Each repeated block is a unit of its own, gathered while it computes; the rest is gathered for a whole
    step, since a task reads some of it outside of any block. Single numbers, and what constraints learn, stay
    whole.

    Args:
        task: the loss of a twin; gradients are on where it is to be trained.
        model: the model that has the values.
        device: where this process computes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    alone = {*task.learned, *(p for p in task.parameters() if not p.ndim)}
    for block in blocks(task.model):
        fully_shard(block, mesh=mesh, ignored_params=alone)
    fully_shard(task, mesh=mesh, ignored_params=alone)
    values, parts = dict(model.named_parameters(remove_duplicate=False)), {}
    for name, parameter in task.model.named_parameters(remove_duplicate=False):
        value = values[name].detach().to(device)
        if isinstance(parameter, DTensor):
            value = distribute_tensor(value, mesh, parameter.placements, src_data_rank=None)
        parts[name] = value
    task.model.load_state_dict(parts, strict=False, assign=True)  # buffers have their values


def put_back(task: Task, model: nn.Module) -> None:
    """Write what was trained, and what the model counted (running means), into the model it came from."""
    values, buffers = dict(model.named_parameters()), dict(model.named_buffers())
    with torch.no_grad():
        for name, parameter in task.model.named_parameters():
            if parameter.requires_grad:
                values[name].copy_(_whole(parameter.detach()))
        for name, buffer in task.model.named_buffers():
            buffers[name].copy_(buffer)


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor of which every process has a part; all must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


class ShardedTrainer(ComponentTrainer):
    """Trains a task that is spread over the processes.

    transformers' Trainer leaves a model alone that was spread before it came; what it lacks for such models
    (checkpoints of the optimiser, and gloo for what is not spread) is added.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_distributed_loading_by_transformers = True

    @contextmanager
    def _defer_fsdp_gradient_reduction(self) -> Iterator[None]:
        """Add up gradients of the parts of a step before they are exchanged."""
        self.model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.model.set_requires_gradient_sync(True)

    def _sync_replicated_trainable_parameters(self, model: Any) -> None:
        """Keep what is not spread alike in all processes, as every process began with the same values."""

        def average(parameter: Any) -> None:
            if self.accelerator.sync_gradients:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")

        for parameter in model.parameters():
            if parameter.requires_grad and not isinstance(parameter, DTensor):
                parameter.register_post_accumulate_grad_hook(average)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save what trains, whole; every process gives its part."""
        trained = {name for name, p in self.model.named_parameters() if p.requires_grad}
        found = self.model.state_dict()
        super()._save(output_dir, {n: _whole(v) if n in trained else v for n, v in found.items()})

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load what trains; every process takes its part."""
        found: dict[str, Any] = load_file(Path(resume_from_checkpoint) / SAFE_WEIGHTS_NAME)
        options = StateDictOptions(full_state_dict=True, strict=False)
        set_model_state_dict(self.model, found, options=options)

    def _load_best_model(self) -> None:
        """Go back to the best checkpoint."""
        self._load_from_checkpoint(self.state.best_model_checkpoint)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Save the optimiser's states, whole, by the names of the parameters."""
        found = get_optimizer_state_dict(self.model, self._adam, options=_WHOLE)
        if self.args.should_save:
            torch.save(found, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load the optimiser's states; every process takes its part."""
        if checkpoint is not None:
            folder = Path(checkpoint)
            found = torch.load(folder / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
            set_optimizer_state_dict(self.model, self._adam, found, options=_WHOLE)
            self.lr_scheduler.load_state_dict(torch.load(folder / SCHEDULER_NAME, weights_only=True))
