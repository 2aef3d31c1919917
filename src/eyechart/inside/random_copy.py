"""A copy of a subject with freshly initialised weights: what its architecture alone lets a probe read."""

from __future__ import annotations

import copy
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eyechart.seeds import seed_of
from eyechart.subjects.memory import free_memory, gigabytes
from eyechart.subjects.model import ModelSubject

if TYPE_CHECKING:
    import torch

_ROOM = 1.25  # of the weights' size: what passes through them comes on top


@contextmanager
def random_copy(subject: ModelSubject, seed: int) -> Iterator[ModelSubject]:
    """Yield a subject of the same class and configuration whose weights are drawn as its class draws them.

    It lies on the same device, in the same type, and is freed at the end. The subject itself and the random
    numbers of anything else are left alone.

    Args:
        subject: the model that is copied.
        seed: of the weights; drawn on the CPU, so that they are the same on every device.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "random weights") % 2**63)
        model = _fresh(subject.model, "cpu")
    twin = ModelSubject(
        f"{subject.name}, random weights", model.to(subject.device), subject.processor, subject.compute
    )
    try:
        yield twin
    finally:
        del model
        twin.model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def why_no_copy(subject: ModelSubject) -> str | None:
    """Return the reason, in words, why a subject cannot have such a copy beside it; None where it can."""
    places = {str(place) for place in (getattr(subject.model, "hf_device_map", None) or {}).values()}
    if len(places) > 1:
        return f"{subject.name} is spread over several devices ({', '.join(sorted(places))})"
    need = _ROOM * sum(p.numel() * p.element_size() for p in _fresh(subject.model, "meta").parameters())
    for device in {"cpu", str(subject.device)}:
        free, where = free_memory(device)
        if need > free:
            return f"it takes {gigabytes(need)} more, and {gigabytes(free)} are free on {where}"
    return None


def _fresh(model: Any, device: torch.device | str) -> Any:
    """Return a model of the same class, configuration and type; on the device "meta" without weights."""
    import torch

    config = copy.deepcopy(model.config)
    with torch.device(device):
        made = type(model)._from_config(  # what transformers' own Auto classes call
            config, dtype=model.dtype, attn_implementation=model.config._attn_implementation
        )
    return made.requires_grad_(False)
