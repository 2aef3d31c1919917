"""What one image and one token cost a model, counted on the meta device: no weight is read.

PyTorch's FlopCounterMode counts products of matrices and convolutions, a multiplication and an addition as
two operations; normalisation, softmax and activations are not counted. The language model's forward pass is
counted at two lengths: what it takes grows with the tokens (linear layers) and with the pairs of a token and
one that it sees (attention, which eager code computes for all pairs, seen or not).

A family whose code wants to see values (grids of patches, experts) does not run there; its part is counted as
2 x parameters x tokens, without attention, and ``counted`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

COUNTED = "counted on the meta device by FlopCounterMode"
ESTIMATED = "2 x parameters x tokens, without attention, as this family's code does not run without values"
_SHORT, _LONG = 128, 256  # tokens; linear attention computes in chunks of 64

# What a family's forward pass may raise on the meta device, or on arguments that it does not know.
REFUSALS = (RuntimeError, AttributeError, TypeError, ValueError, AssertionError, KeyError, IndexError)


@dataclass(frozen=True)
class Language:
    """What the language model costs: operations, and numbers that it remembers.

    Attributes:
        token: operations of a token in the linear layers.
        pair: operations of a token with one that it sees.
        head: operations of one prediction over the vocabulary.
        remembered: numbers in the keys and values of a token.
    """

    token: float
    pair: float
    head: float
    remembered: float

    def passing(self, tokens: int, seen: int) -> float:
        """Return the operations of a pass of so many tokens, each beside ``seen`` tokens, itself included."""
        return tokens * (self.token + self.pair * seen)


@dataclass(frozen=True)
class Costs:
    """What a model costs.

    Attributes:
        vision: operations of the vision encoder for one image.
        projector: operations of the projector for one image.
        language: see :class:`Language`.
        counted: how each was found.
    """

    vision: float
    projector: float
    language: Language
    counted: Mapping[str, str] = field(default_factory=dict)


def costs(skeleton: Any, seen: Mapping[str, torch.Tensor], visual_tokens: int) -> Costs:
    """Return what a model costs.

    Args:
        skeleton: the model on the meta device.
        seen: what its processor makes of one image, text or none.
        visual_tokens: how many of the prompt's positions are the image's.
    """
    (vision, projector), image_way = _image(skeleton, seen, visual_tokens)
    language, language_way = _language(skeleton)
    return Costs(
        vision, projector, language, {"vision": image_way, "projector": image_way, "language": language_way}
    )


def on_meta(skeleton: Any, seen: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return an image's features without values, [tokens, width]; sizes among the inputs keep theirs."""
    from eyechart.subjects.prove import image_features

    moved = {
        name: value.to("meta", skeleton.dtype) if value.is_floating_point() else value.cpu()
        for name, value in seen.items()
    }
    return image_features(skeleton, moved)


def decode(skeleton: Any, embedded: torch.Tensor, *, remember: bool = False) -> Any:
    """Pass embeddings, [n, length, width], through the language model without its head.

    A mask is given, as the model would look into values to see whether it needs one.
    """
    rows, length = embedded.shape[:2]
    mask = embedded.new_zeros(rows, 1, length, length)
    return skeleton.get_decoder()(inputs_embeds=embedded, attention_mask=mask, use_cache=remember)


def words(skeleton: Any, rows: int, length: int) -> torch.Tensor:
    """Return embeddings without values, [rows, length, width]."""
    import torch

    width = skeleton.get_input_embeddings().weight.shape[-1]
    return torch.empty(rows, length, width, device="meta", dtype=skeleton.dtype)


@contextmanager
def _counting() -> Iterator[Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        yield counter


def _image(
    skeleton: Any, seen: Mapping[str, torch.Tensor], visual_tokens: int
) -> tuple[tuple[float, float], str]:
    """Return the operations of vision encoder and projector for one image, and how they were found."""
    begun: list[int] = []
    spent: list[int] = []
    encoder = skeleton.get_encoder(modality="image")
    with _counting() as counter, _frozen(skeleton):
        hooks = [
            encoder.register_forward_pre_hook(lambda *_: begun.append(counter.get_total_flops())),
            encoder.register_forward_hook(lambda *_: spent.append(counter.get_total_flops() - begun.pop())),
        ]
        try:
            on_meta(skeleton, seen)
            return (sum(spent), counter.get_total_flops() - sum(spent)), COUNTED
        except REFUSALS:
            return _image_by_size(skeleton, seen, visual_tokens), ESTIMATED
        finally:
            for hook in hooks:
                hook.remove()


def _image_by_size(
    skeleton: Any, seen: Mapping[str, torch.Tensor], visual_tokens: int
) -> tuple[float, float]:
    """Return 2 x parameters x tokens of vision encoder and projector; the encoder's tokens are patches."""
    from eyechart.subjects.components import components

    parts = {name: sum(p.numel() for p in part.values()) for name, part in components(skeleton).items()}
    return 2 * parts["vision"] * patches(skeleton, seen), 2 * parts["projector"] * visual_tokens


def patches(skeleton: Any, seen: Mapping[str, torch.Tensor]) -> int:
    """Return how many patches an image is cut into."""
    vision, pixels = skeleton.config.vision_config, seen["pixel_values"]
    size = vision.patch_size if isinstance(vision.patch_size, int) else vision.patch_size[0]
    numbers = 3 * size**2 * int(getattr(vision, "temporal_patch_size", 1))
    return max(1, pixels.numel() // numbers)


def _language(skeleton: Any) -> tuple[Language, str]:
    head = skeleton.get_output_embeddings()
    predicted = 0.0 if head is None else 2.0 * head.weight.numel()
    try:
        short, long, remembered = _pass(skeleton, _SHORT)[0], *_pass(skeleton, _LONG)
    except REFUSALS:
        return _language_by_size(skeleton, predicted), ESTIMATED
    pair = (long / _LONG - short / _SHORT) / (_LONG - _SHORT)
    return Language(short / _SHORT - pair * _SHORT, pair, predicted, remembered / _LONG), COUNTED


def _pass(skeleton: Any, length: int) -> tuple[int, int]:
    """Return the operations of a pass, and how many numbers it leaves in keys and values."""
    with _counting() as counter, _frozen(skeleton):
        memory = decode(skeleton, words(skeleton, 1, length), remember=True).past_key_values
    kept = [getattr(layer, name, None) for layer in memory.layers for name in ("keys", "values")]
    return counter.get_total_flops(), sum(tensor.numel() for tensor in kept if tensor is not None)


def _language_by_size(skeleton: Any, predicted: float) -> Language:
    """Return 2 x parameters of all layers; of experts, only as many as see a token."""
    text = skeleton.config.get_text_config()
    share = 1.0
    if experts := getattr(text, "num_experts", None) or getattr(text, "n_routed_experts", None):
        share = getattr(text, "num_experts_per_tok", experts) / experts
    layers = skeleton.get_decoder().named_parameters()
    token = sum(
        2 * p.numel() * (share if ".experts." in name else 1.0) for name, p in layers if "embed" not in name
    )
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Language(token, 0.0, predicted, 2.0 * text.num_hidden_layers * heads * width)


@contextmanager
def _frozen(skeleton: Any) -> Iterator[None]:
    """Switch gradients off: the counter's bookkeeping would stumble over parameters that want them."""
    wanted = [parameter for parameter in skeleton.parameters() if parameter.requires_grad]
    skeleton.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
