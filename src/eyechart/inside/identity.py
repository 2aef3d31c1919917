"""What states depend on: told apart by hashes, so that stale ones are never taken."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from eyechart.subjects.model import ModelSubject

if TYPE_CHECKING:
    import pandas as pd

_NAMES = ("_name_or_path", "transformers_version")  # of a configuration: not what it computes


def subject_identity(subject: ModelSubject, question: str, size: tuple[int, int]) -> dict[str, str]:
    """Return hashes of what a subject's states depend on beside the images.

    Args:
        subject: the model.
        question: what the language model reads.
        size: height and width in px of one of the images.

    Returns:
        ``weights`` (every parameter and buffer that is stored), ``model`` (its configuration and the type in
        which it computes), ``processor`` (how images are prepared), ``prompt`` (text and tokens).
    """
    prompt = subject.prompt(question, size)
    config = {k: v for k, v in subject.model.config.to_dict().items() if k not in _NAMES}
    return {
        "weights": weights_hash(subject.model),
        "model": digest(json.dumps(config, sort_keys=True, default=str), subject.compute),
        "processor": digest(subject.processor.image_processor.to_json_string()),
        "prompt": digest(prompt.text, *prompt.ids),
    }


def images_identity(table: pd.DataFrame) -> str:
    """Return a hash of the ids and pixels of some images, in their order."""
    return digest(*table["image_id"], *table["pixels_sha256"])


def weights_hash(model: Any) -> str:
    """Return a hash of all that a checkpoint of a model holds, wherever the weights lie."""
    import torch
    from accelerate.utils import align_module_device

    kept, found = set(model.state_dict()), hashlib.sha256()
    for prefix, module in model.named_modules():
        with align_module_device(module):  # weights that wait in memory or on the disk for their turn
            own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
            for name, tensor in own:
                path = f"{prefix}.{name}".lstrip(".")
                if path in kept:
                    values = tensor.detach().cpu().contiguous()
                    found.update(f"{path} {values.dtype} {tuple(values.shape)};".encode())
                    found.update(values.flatten().view(torch.uint8).numpy())  # NumPy has no bfloat16
    return found.hexdigest()


def digest(*told: object) -> str:
    """Return the sha256 of some values, in hexadecimal."""
    return hashlib.sha256("\x1f".join(str(one) for one in told).encode()).hexdigest()
