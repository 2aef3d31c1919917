"""Faults of the eye: what enters the encoder, and a layer inside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from eyechart.inside.plants import ANY, NO_FAULT, Hook, Known, Plant, changed
from eyechart.inside.verdict import IN_ENCODER, IN_LANGUAGE, IN_WORDS, NOT_READ
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import encoder_layers

if TYPE_CHECKING:
    import torch

    Filter = Callable[[torch.Tensor], torch.Tensor]

_FINE = ("blur", "noise", "compression", "jitter", "clean")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_CELL = 16  # px
_GREY, _SPREAD = 0.45, 0.2  # luma's mean and standard deviation where images have none of their own
_DITHER = 0.02  # standard deviation of the noise that hides the steps of stretched pictures
# Where a loss may be named of what the eye still carries: changed pictures are not those that were learnt.
_BEHIND = (*NO_FAULT, IN_LANGUAGE, NOT_READ, IN_WORDS)


def vision_plants(labels: tuple[str, ...]) -> tuple[Plant, ...]:
    """Return the faults of the eye for the labels of the map paper8."""
    lost = dict.fromkeys(labels, (IN_ENCODER,))
    return (
        Plant(
            "low-pass input",
            "encoder",
            (IN_ENCODER,),
            "means of 16 x 16 px know nothing of fine structure, by which five of eight labels differ; "
            "brightness and colour are left; contrast goes with detail, so that nothing is foreseen of it",
            partial(_see, _coarse),
            {**{label: lost[label] for label in _FINE}, "contrast": ANY},
            _BEHIND,
        ),
        Plant(
            "input whose colour follows its luma",
            "encoder",
            NO_FAULT,
            "what is desaturated keeps its luma, so that it is the same picture as the clean one: neither is "
            "told from the other; the other six labels show in luma",
            partial(_see, _tinted),
            {label: lost[label] for label in ("colorfulness", "clean")},
            _BEHIND,
        ),
        Plant(
            "input of equal contrast",
            "encoder",
            NO_FAULT,
            "contrast is a scale around the mean, which one scale for all images takes away; the noise hides "
            "the steps that are left of it. Brightness goes in part",
            partial(_see, _stretched),
            {**{label: lost[label] for label in ("contrast", "clean")}, "brightness": ANY},
            _BEHIND,
        ),
        *(
            Plant(
                f"encoder layer {share} replaced by noise",
                "encoder",
                (IN_ENCODER,),
                "what the layer hands on is the same noise for every image; layers before it still hold it",
                partial(_deafen, share),
                lost,
            )
            for share in ("11/12", "6/12")
        ),
    )


def _see(change: Filter, subject: ModelSubject, known: Known) -> list[Hook]:
    """Let the encoder receive changed images: float [n, 3, height, width], 0 to 1."""
    import torch

    processor = subject.processor.image_processor
    mean, spread = (
        torch.tensor(values, device=subject.device)[:, None, None]
        for values in (processor.image_mean, processor.image_std)
    )

    def enter(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        pixels = kwargs["pixel_values"]
        seen = (change(pixels.float() * spread + mean) - mean) / spread
        return args, {**kwargs, "pixel_values": seen.to(pixels.dtype)}

    tower = subject.model.get_encoder(modality="image")
    return [tower.register_forward_pre_hook(enter, with_kwargs=True)]


def _coarse(pixels: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import avg_pool2d, interpolate

    return interpolate(avg_pool2d(pixels, _CELL), size=pixels.shape[-2:], mode="bilinear")


def _luma(pixels: torch.Tensor) -> torch.Tensor:
    """Return luma, [n, 1, height, width]."""
    import torch

    return (pixels * torch.tensor(_LUMA, device=pixels.device)[:, None, None]).sum(1, keepdim=True)


def _tinted(pixels: torch.Tensor) -> torch.Tensor:
    """Keep luma and give it a colour: blue in the shadows, yellow in the lights."""
    import torch

    luma = _luma(pixels)
    tint = torch.tensor((0.15, 0.05, -0.25), device=pixels.device)[:, None, None]
    return luma + tint * (luma - _GREY)


def _stretched(pixels: torch.Tensor) -> torch.Tensor:
    """Give every image the same mean and standard deviation of luma, and the same little noise."""
    import torch

    luma = _luma(pixels)
    middle, spread = luma.mean((2, 3), keepdim=True), luma.std((2, 3), keepdim=True)
    noise = torch.randn(pixels.shape[1:], generator=torch.Generator().manual_seed(0)).to(pixels)
    return (pixels - middle) / spread.clamp(min=1e-3) * _SPREAD + _GREY + _DITHER * noise


def _deafen(share: str, subject: ModelSubject, known: Known) -> list[Hook]:
    """Replace what a layer of the encoder hands out by the same noise for every image."""
    import torch

    layers = encoder_layers(subject.model)
    part, whole = map(int, share.split("/"))
    layer = layers[max(0, len(layers) * part // whole - 1)][0]

    def noise(out: Any) -> Any:
        states = out[0] if isinstance(out, tuple) else out
        made = torch.randn(states.shape[1:], generator=torch.Generator().manual_seed(0)).to(states)
        made = (made * states.std()).expand_as(states)
        return (made, *out[1:]) if isinstance(out, tuple) else made

    return [changed(layer, noise)]
