"""What a vision encoder does behind its last layer: a module that maps or merges there is a projector's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eyechart.subjects.change import changed, equal
from eyechart.subjects.components import components
from eyechart.subjects.entering import Entering, entering
from eyechart.subjects.stages import encoder_layers, states_of


def behind_the_last_layer(model: Any, inputs: Mapping[str, Any]) -> list[str]:
    """Return the vision encoder's modules that give its last layer's states another number or width.

    Only those count that the visual tokens depend on: a pooling head whose output no one takes does not.

    Args:
        model: a transformers image-text-to-text model in evaluation mode.
        inputs: what its processor returned for one prompt with one image an example.
    """
    import torch

    vision = components(model)["vision"]
    layers = encoder_layers(model)
    if not layers:
        return []
    last, names = layers[-1][0], {id(module): name for name, module in model.named_modules()}
    around = [m for m in model.modules() if any(part is last for part in m.modules()) and m is not last]
    same: dict[str, bool] = {}  # whether a module ever hands out states of the last layer's shape
    wanted: torch.Size | None = None

    def at_last(_: Any, args: Any, out: Any) -> None:
        nonlocal wanted
        wanted = states_of(out).shape

    def behind(module: Any, args: Any, out: Any) -> None:
        if wanted is not None and isinstance(found := states_of(out), torch.Tensor):
            alike = (found.shape[-1], found.numel()) == (wanted[-1], wanted.numel())
            same[names[id(module)]] = alike or same.get(names[id(module)], False)

    def begin(_: Any, args: Any) -> None:  # a tower may see the tiles of an image one by one
        nonlocal wanted
        wanted = None

    tower = model.get_encoder(modality="image")
    hooks = [tower.register_forward_pre_hook(begin), last.register_forward_hook(at_last)]
    for holder in around:
        for child in holder.children():
            held = [f"{names[id(child)]}.{name}" for name, _ in child.named_parameters()]
            if held and child not in around and child is not last and set(held) <= set(vision):
                hooks.append(child.register_forward_hook(behind))
    try:
        entering(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    assert wanted is not None
    return [name for name, alike in same.items() if not alike and _reaches(model, inputs, name)]


def _reaches(model: Any, inputs: Mapping[str, Any], name: str) -> bool:
    """Say whether what enters the language model depends on a module's first parameter."""
    before = _tensors(entering(model, inputs))
    with changed(next(model.get_submodule(name).parameters())):
        return not equal(before, _tensors(entering(model, inputs)))


def _tensors(door: Entering) -> list[Any]:
    return [
        *([] if door.embeds is None else [door.embeds]),
        *(t for found in door.beside.values() for t in found),
    ]
