"""Which tensors can receive a gradient at all, found by one real backward pass."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

from eyechart.seeds import rng
from eyechart.subjects.components import components

if TYPE_CHECKING:
    import torch

ADAPTER = ".lora_"  # in the names of PEFT's factors


def unreachable(
    model: Any,
    inputs: Mapping[str, Any],
    train: Collection[str],
) -> list[str]:
    """Return the parameters of chosen components that no loss of the answer can move, in the model's order.

    The gradient of a random next token is computed once, and a tensor is named if it gets none, or one that
    is exactly zero. LLaVA reads its tower's last layer but one, so the last layer and the last normalisation
    get none. A tensor behind a gate that is exactly zero is named too, though it may move once the gate has.
    Quantised tensors cannot be trained and are not looked at.

    Gradients are looked at one by one and dropped, so that the pass needs no memory for all of them at once.
    The model is left as it was, but for gradients that it held, which are dropped.

    Args:
        model: a transformers image-text-to-text model, without adapters.
        inputs: what its processor returned for a small batch of prompts with images (``subject.inputs``).
        train: the components that are to be trained.
    """
    import torch
    import torch.nn.functional as F

    parts = components(model)
    asked = {name: p for part in train for name, p in parts[part].items() if p.is_floating_point()}
    moved: set[int] = set()

    def look(parameter: torch.Tensor) -> None:
        if parameter.grad is not None and bool(parameter.grad.any()):
            moved.add(id(parameter))
        parameter.grad = None

    flags = [(p, p.requires_grad) for p in model.parameters() if p.is_floating_point()]
    training = model.training
    hooks = []
    try:
        model.requires_grad_(False).eval()
        for parameter in asked.values():
            parameter.grad = None
            parameter.requires_grad_(True)
            hooks.append(parameter.register_post_accumulate_grad_hook(look))
        with torch.enable_grad():
            logits = last_logits(model, inputs)
            drawn = rng(0, "unreachable").integers(logits.shape[-1], size=len(logits))
            loss = F.cross_entropy(logits, torch.from_numpy(drawn).to(logits.device))
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        model.train(training)
    return [name for name, parameter in asked.items() if id(parameter) not in moved]


def last_logits(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return the scores of what follows a prompt, [n, vocabulary] in float32, of one forward pass."""
    few = {"logits_to_keep": 1} if "logits_to_keep" in signature(model.forward).parameters else {}
    scores: torch.Tensor = model(**inputs, **few).logits[:, -1].float()
    return scores


def whole_modules(model: Any, names: Collection[str]) -> list[tuple[str, int]]:
    """Return a list of parameters shortened: where all of a module's are in it, the module stands for them.

    Args:
        model: the model, with adapters or without.
        names: some of its parameters, by their names without adapters.

    Returns:
        Name of a module or parameter, and how many of ``names`` it stands for, in the model's order.
    """
    every = list(dict.fromkeys(original(name) for name, _ in model.named_parameters()))
    found: dict[str, int] = {}
    for name in every:
        if name not in names:
            continue
        steps = name.split(".")
        prefixes = (".".join(steps[:i]) for i in range(1, len(steps)))
        short = next((p for p in prefixes if all(n in names for n in every if n.startswith(f"{p}."))), name)
        found[short] = found.get(short, 0) + 1
    return list(found.items())


def original(name: str) -> str:
    """Return the model's own name of a tensor: PEFT renames a weight that it adapts, and adds its factors."""
    if ADAPTER in name:
        return f"{name.split(ADAPTER)[0]}.weight"
    return name.replace(".base_layer.", ".")
