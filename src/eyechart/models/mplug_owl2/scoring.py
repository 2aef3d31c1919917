"""A quality score from the logits of level words (Q-Align, arXiv 2312.17090, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.models.mplug_owl2.presets import PRESETS, QualityPreset
from eyechart.models.mplug_owl2.processing import IMAGE_TOKEN
from eyechart.progress import track


def quality_scores(
    model: Any, processor: Any, inputs: Sequence[Any], preset: str | QualityPreset, batch: int = 8
) -> NDArray[np.float64]:
    """Return the score of each image, or of each video, float64 [n].

    Args:
        model: mPLUG-Owl2 or a model tuned from it.
        processor: its processor.
        inputs: images (Pillow, or uint8 arrays [height, width, 3]); or videos, each a list of frames.
        preset: a name in ``PRESETS``, or one of your own.
        batch: images or videos at a time.

    Raises:
        EyechartError: there is no such preset.
    """
    chosen = _preset(preset)
    kept = []
    for start in track(range(0, len(inputs), batch), "scoring quality"):
        logits = level_logits(model, processor, inputs[start : start + batch], chosen)
        weights = torch.tensor(chosen.weights, dtype=torch.float64)
        kept.append(logits.double().softmax(-1) @ weights)
    return torch.cat(kept).numpy() if kept else np.empty(0)


def level_logits(
    model: Any, processor: Any, inputs: Sequence[Any], preset: str | QualityPreset
) -> torch.Tensor:
    """Return each input's logit of each level at the prompt's last position, float32 [n, levels], on the CPU.

    Args:
        model: as in ``quality_scores``.
        processor: as there.
        inputs: as there; all in one batch.
        preset: as there.
    """
    chosen = _preset(preset)
    frames = [list(item) if isinstance(item, (list, tuple)) else [item] for item in inputs]
    texts = [chosen.prompt.replace(IMAGE_TOKEN, IMAGE_TOKEN * len(item)) for item in frames]
    images = [frame for item in frames for frame in item]
    ready = processor(
        images=images,
        text=texts,
        squaring=chosen.squaring,
        padding=True,
        padding_side="left",  # so that every prompt ends at the last position
        return_tensors="pt",
    ).to(model.device)
    ready["pixel_values"] = ready["pixel_values"].to(model.dtype)
    with torch.no_grad():
        last = model(**ready, logits_to_keep=1, use_cache=False).logits[:, -1].float().cpu()
    words = [[_first_token(processor, word) for word in level] for level in chosen.levels]
    return torch.stack([last[:, ids].mean(-1) for ids in words], dim=-1)


def _first_token(processor: Any, word: str) -> int:
    return int(processor.tokenizer(word, add_special_tokens=False)["input_ids"][0])


def _preset(preset: str | QualityPreset) -> QualityPreset:
    if isinstance(preset, QualityPreset):
        return preset
    if preset not in PRESETS:
        raise EyechartError(f"there is no preset {preset!r}", f"choose one of {', '.join(PRESETS)}")
    return PRESETS[preset]
