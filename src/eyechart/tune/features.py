"""What the frozen encoder gives for every training image: computed once, kept, shared by arms and epochs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Pixels

if TYPE_CHECKING:
    import torch


def projector_inputs(
    subject: ModelSubject, images: list[Pixels], cache: Path | None, batch: int = 50
) -> torch.Tensor:
    """Return what the projector receives for every image, [n, tokens, width] in bfloat16.

    Args:
        subject: the model; its vision encoder is not trained.
        images: uint8 HWC RGB.
        cache: file to keep the result in and to read it from; its name must identify weights and images.
        batch: images at a time.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if cache is not None and cache.is_file():
        return load_file(cache)["features"]
    kept: list[torch.Tensor] = []
    hook = subject.projector.register_forward_pre_hook(
        lambda _, args: kept.append(args[0].to("cpu", torch.bfloat16))
    )
    try:
        with torch.no_grad(), subject.precision():
            for start in track(range(0, len(images), batch), "encoding training images (kept for all arms)"):
                subject.project(subject.pixel_values(images[start : start + batch]))
    finally:
        hook.remove()
    features = torch.cat(kept)
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        fresh = cache.with_suffix(".part")
        save_file({"features": features}, fresh)
        fresh.replace(cache)
    return features
