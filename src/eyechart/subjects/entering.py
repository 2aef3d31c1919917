"""What enters the language model: captured at its door, so that it is right for every family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import torch

# Arguments by which some families hand visual features to inner layers of the language model.
_BESIDE = ("cross_attention_states", "deepstack_visual_embeds", "visual_pos_masks", "encoder_hidden_states")


@dataclass(frozen=True)
class Entering:
    """What the language model receives for one batch.

    Attributes:
        embeds: its input embeddings, [n, length, width]; None where it embeds the token ids itself.
        beside: visual features that enter its inner layers (Mllama's cross-attention states, Qwen3-VL's
            deep-stack features), each as flat list of tensors.
        out: what the model returned, where it went on.
    """

    embeds: torch.Tensor | None
    beside: Mapping[str, list[torch.Tensor]]
    out: Any = None


class _AtTheDoorError(Exception):
    """Leaves the model's forward pass before the language model computes."""


def entering(model: Any, inputs: Mapping[str, Any], *, onward: bool = False) -> Entering:
    """Return what enters the language model; it computes nothing itself, and gradients are kept.

    Args:
        model: a transformers image-text-to-text model.
        inputs: what its processor returned, as tensors on the model's device.
        onward: let the language model compute too, for hooks that look into it.

    Raises:
        EyechartError: the model never called its decoder.
    """
    caught: dict[str, Any] = {}

    def look(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        caught.update(kwargs)
        if not onward:
            raise _AtTheDoorError

    hook, out = model.get_decoder().register_forward_pre_hook(look, with_kwargs=True), None
    try:
        out = model(**inputs)
    except _AtTheDoorError:
        pass
    finally:
        hook.remove()
    if not caught:
        raise EyechartError(
            f"{type(model).__name__} did not call its decoder", "this family cannot be looked into"
        )
    beside = {name: _tensors(caught[name]) for name in _BESIDE if caught.get(name) is not None}
    return Entering(caught.get("inputs_embeds"), beside, out)


def image_token_id(model: Any) -> int | None:
    """Return the id that stands at image positions; None where the image enters by another way."""
    for name in ("image_token_id", "image_token_index", "media_placeholder_token_id"):
        found = getattr(model.config, name, None)
        if isinstance(found, int):
            return found
    return None


def visual_tokens(model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return exactly what the language model receives at the image positions, [rows, width].

    Rows follow the batch, then the positions. Mllama has no image positions; its tokens are the states that
    its cross-attention reads.

    Raises:
        EyechartError: no position of ``inputs["input_ids"]`` is an image's.
    """
    return at_image_positions(model, inputs, entering(model, inputs))


def at_image_positions(model: Any, inputs: Mapping[str, Any], door: Entering) -> torch.Tensor:
    """Return the visual tokens of what entered the language model; see :func:`visual_tokens`."""
    if "cross_attention_states" in door.beside:
        states = door.beside["cross_attention_states"][0]
        return states.reshape(-1, states.shape[-1])
    at = inputs["input_ids"] == image_token_id(model)
    if door.embeds is None or not bool(at.any()):
        raise EyechartError("the prompt has no image position", "render it with the model's own processor")
    return door.embeds[at]


def _tensors(found: Any) -> list[Any]:
    return [t for part in found for t in _tensors(part)] if isinstance(found, (list, tuple)) else [found]
