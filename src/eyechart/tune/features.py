"""What the frozen encoder gives for every training image: computed once, kept, shared by arms and epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eyechart.progress import track
from eyechart.runs import writing
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.tune.lesson import Lesson

if TYPE_CHECKING:
    import torch


def projector_inputs(
    subject: ModelSubject, images: Sequence[Pixels], kept: Path | None, batch: int = 50
) -> torch.Tensor:
    """Return what the projector receives for every image, [n, tokens, width].

    They are in the type of the matrix products. In float32 they are exact. In bfloat16 they are rounded to
    its 8 bits, which halves the memory, as every matrix product behind them does with its inputs.

    Args:
        subject: the model; its vision encoder is not trained.
        images: uint8 HWC RGB; may read an image when it is asked for it.
        kept: file to keep the result in and to read it from (see :func:`features_file`); read back, it lies
            in the file, not in memory.
        batch: images at a time.
    """
    import torch
    from safetensors.torch import load_file, save_file

    if kept is not None and kept.is_file():
        return load_file(kept)["features"]
    found: list[torch.Tensor] = []
    dtype, count = getattr(torch, subject.compute), len(images)
    hook = subject.projector.register_forward_pre_hook(lambda _, args: found.append(args[0].to("cpu", dtype)))
    try:
        with torch.no_grad(), subject.precision():
            for start in track(range(0, count, batch), "encoding training images (kept for all arms)"):
                few = [images[row] for row in range(start, min(start + batch, count))]
                subject.project(subject.pixel_values(few))
    finally:
        hook.remove()
    features = torch.cat(found)
    if kept is not None:
        with writing(kept) as partial:
            save_file({"features": features}, partial)
    return features


def features_file(cache: Path, subject: ModelSubject, lesson: Lesson, weights: Mapping[str, str]) -> Path:
    """Return the file of the features, named by all that they depend on.

    Args:
        cache: the folder.
        subject: the model.
        lesson: the images.
        weights: sha256 of each of the encoder's tensors.
    """
    settings = subject.processor.image_processor.to_json_string()
    told = (
        *(f"{name}:{weights[name]}" for name in sorted(weights)),
        settings,
        lesson.digest(),
        subject.compute,
    )
    return cache / f"features-{hashlib.sha256('; '.join(told).encode()).hexdigest()[:16]}.safetensors"
