"""The states of a subject at each stage, pooled to one vector an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Pixels, Prompt

if TYPE_CHECKING:
    import torch

Features = dict[str, NDArray[np.float32]]


def pooled_stages(
    subject: ModelSubject, images: list[Pixels], prompt: Prompt, every: int, batch: int = 32
) -> Features:
    """Return mean and standard deviation over the tokens of each image, by stage in the order of the model.

    Low-level traces live in second-order statistics, hence the standard deviation (METHODS, Stages).

    Args:
        subject: the model.
        images: uint8 HWC RGB of one size.
        prompt: what the language model reads.
        every: keep every so-many-th layer of the language model; its last layer is always kept.
        batch: images at a time.

    Returns:
        Stage name to float32 [n, 2 x width] ("language last position": the state itself, [n, width]).
    """
    import torch

    kept: dict[str, list[torch.Tensor]] = {}
    tower, at = subject.model.get_encoder(modality="image"), list(prompt.image_positions)
    with torch.no_grad(), subject.precision():
        for start in track(range(0, len(images), batch), "reading the states at each stage"):
            pixels = subject.pixel_values(images[start : start + batch])
            seen = tower(pixel_values=pixels, output_hidden_states=True)
            layers = seen.hidden_states[1:]
            states = {f"encoder {i}": _pool(s) for i, s in enumerate(layers, 1)}
            states["encoder output"] = _pool(seen.last_hidden_state)
            tokens = subject.project(pixels)
            states["projector output"] = _pool(tokens)
            read = subject.model(
                inputs_embeds=subject.embed(prompt, tokens.float()),
                **subject.modality(torch.tensor(prompt.ids).expand(len(tokens), -1)),
                output_hidden_states=True,
                logits_to_keep=1,
            ).hidden_states
            for layer in range(1, len(read)):
                if layer % every == 0 or layer == len(read) - 1:
                    states[f"language {layer}"] = _pool(read[layer][:, at])
            states["language last position"] = read[-1][:, -1].float()
            for name, value in states.items():
                kept.setdefault(name, []).append(value.cpu())
    return {name: torch.cat(parts).numpy() for name, parts in kept.items()}


def _pool(states: torch.Tensor) -> torch.Tensor:
    import torch

    states = states.float()
    return torch.cat([states.mean(1), states.std(1)], dim=-1)
