"""Adapters on the linear layers of chosen components, and nowhere else (LoRA, arXiv 2106.09685)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from eyechart.errors import EyechartError
from eyechart.subjects.components import components
from eyechart.subjects.model import ModelSubject

_MARK = ".lora_"


def adapt(subject: ModelSubject, chosen: Collection[str], rank: int) -> tuple[Any, dict[str, list[str]]]:
    """Put an adapter on every linear layer of the chosen components, but for the output head.

    Args:
        subject: the model, changed in place; at first its answers stay the same.
        chosen: components, at least one.
        rank: rank of the adapters; their scale is 2.

    Returns:
        PEFT's wrapper, whose ``merge_and_unload`` makes the adapters part of the weights, and of each
        component the names of the parameters that carry one.

    Raises:
        EyechartError: a chosen component has no linear layer.
    """
    from peft import LoraConfig, get_peft_model
    from torch import nn

    head, carrying = subject.model.get_output_embeddings(), {}
    parts = components(subject.model)
    for component in chosen:
        found = [
            name
            for name, module in subject.model.named_modules()
            if type(module) is nn.Linear and module is not head and f"{name}.weight" in parts[component]
        ]
        if not found:
            raise EyechartError(
                f"{component} of {subject.name} has no linear layer for an adapter", "tune it in full"
            )
        carrying[component] = found
    layers = [name for found in carrying.values() for name in found]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=layers)
    adapter = get_peft_model(subject.model, config)
    return adapter, {component: [f"{name}.weight" for name in found] for component, found in carrying.items()}


def trainable(subject: ModelSubject, component: str) -> list[tuple[str, Any]]:
    """Return the parameters of a component that are trained: its adapters if it has any, else all."""
    found = components(subject.model)[component]
    adapters = [(name, p) for name, p in found.items() if _MARK in name]
    return adapters or list(found.items())
