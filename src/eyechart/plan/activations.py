"""What training keeps for the backward pass, counted on the meta device: no value is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from eyechart.plan.flops import REFUSALS, decode, on_meta, words
from eyechart.subjects.components import COMPONENTS, components

if TYPE_CHECKING:
    import torch

COUNTED = "tensors kept for the backward pass, counted on the meta device"
ESTIMATED = (
    "34 x tokens x width + 5 x heads x tokens^2 numbers of two bytes a layer (Korthikanti 2022, eq. 2)"
)


def kept_of_image(
    skeleton: Any, seen: Mapping[str, torch.Tensor], patches: int, train: tuple[str, ...]
) -> float:
    """Return the bytes that one image leaves in vision encoder and projector when ``train`` is trained."""
    if not {"vision", "projector"} & set(train):
        return 0.0
    try:
        return _kept(skeleton, train, lambda: on_meta(skeleton, seen))
    except REFUSALS:
        return _by_size(skeleton.config.vision_config, patches) if "vision" in train else 0.0


def kept_of_text(skeleton: Any, tokens: int, train: tuple[str, ...]) -> float:
    """Return the bytes that one prompt of so many tokens leaves in the language model."""
    embedded = words(skeleton, 1, tokens)
    embedded.requires_grad_(bool({"vision", "projector"} & set(train)))
    try:
        return _kept(skeleton, train, lambda: decode(skeleton, embedded))
    except REFUSALS:
        return _by_size(skeleton.config.get_text_config(), tokens)


def layer_share(skeleton: Any, seen: Mapping[str, torch.Tensor], patches: int, tokens: int) -> float:
    """Return the bytes that one layer needs for one image and prompt: what an exam holds at a time."""
    vision = kept_of_image(skeleton, seen, patches, COMPONENTS) / _layers(skeleton.config.vision_config)
    text = kept_of_text(skeleton, tokens, COMPONENTS) / _layers(skeleton.config.get_text_config())
    return max(vision, text)


def _kept(skeleton: Any, train: tuple[str, ...], forward: Callable[[], Any]) -> float:
    """Return the bytes of all tensors that a forward pass keeps, parameters left out."""
    import torch

    own = {p.untyped_storage()._cdata for p in skeleton.parameters()}
    found: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if (storage := tensor.untyped_storage())._cdata not in own:
            found[storage._cdata] = tensor  # held, so that no other storage takes its place
        return tensor

    skeleton.requires_grad_(False)
    for component, part in components(skeleton).items():
        for parameter in part.values():
            parameter.requires_grad_(component in train)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        kept = forward()
    del kept
    skeleton.requires_grad_(False)
    return float(sum(tensor.untyped_storage().nbytes() for tensor in found.values()))


def _layers(config: Any) -> int:
    return int(getattr(config, "num_hidden_layers", None) or getattr(config, "depth", None) or 1)


def _by_size(config: Any, tokens: int) -> float:
    width = getattr(config, "embed_dim", None) or config.hidden_size
    heads = getattr(config, "num_heads", None) or config.num_attention_heads
    return float(_layers(config) * (34 * tokens * width + 5 * heads * tokens**2))
