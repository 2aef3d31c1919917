"""What a setting costs at least: arithmetic, and the seconds they take in bare matrix products.

Counted is what the scheme has to compute and nothing else: each image once, the tokens that all prompts
begin with once, every further token of prompts and answers once however many of them share it, and
predictions over the vocabulary only where one is read. Attention counts the keys that a token sees. One
multiplication and one addition are two operations. Normalisation, softmax, activation and preprocessing are
not counted, so that 100 % cannot be reached.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from exam_bench.material import Exam

if TYPE_CHECKING:
    import torch

Shape = tuple[int, int]  # of a linear layer's weight: inputs, outputs
SECONDS = 0.2  # that one shape is measured for, at least


@dataclass(frozen=True)
class Pass:
    """One pass through a part of the model, for one image.

    Attributes:
        name: what it is.
        rows: tokens that go through each linear layer.
        layers: how many linear layers there are of each shape.
        attention: operations of the two products of attention.
    """

    name: str
    rows: int
    layers: Counter[Shape]
    attention: int = 0

    @property
    def linear(self) -> int:
        """Return the operations of the linear layers."""
        return sum(2 * self.rows * k * n * count for (k, n), count in self.layers.items())


def needed(exam: Exam) -> list[Pass]:
    """Return the passes of one image: vision, projector, shared beginning, the rest, predictions."""
    prompts = [prompt.ids for prompt in exam.prompts]
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False))
    start = len(list(alike))
    further, read = set(), set()
    for prompt, candidates in zip(prompts, exam.candidates, strict=True):
        for candidate in candidates:
            whole = prompt + candidate[:-1]  # the end is foretold, but foretells nothing
            further |= {whole[:length] for length in range(start + 1, len(whole) + 1)}
            read |= {whole[:length] for length in range(len(prompt), len(whole) + 1)}
    language = exam.subject.model.config.text_config
    per_key = 4 * language.num_attention_heads * language.head_dim * language.num_hidden_layers
    beginning = per_key * start * (start + 1) // 2
    after = per_key * sum(len(path) for path in further)
    layers = linear_layers(exam.subject.language)
    return [
        *_image(exam),
        Pass("shared beginning", start, layers, beginning),
        Pass("questions and answers", len(further), layers, after),
        Pass("predictions", len(read), linear_layers(exam.subject.model.lm_head)),
    ]


def _image(exam: Exam) -> list[Pass]:
    """Return the passes through vision encoder and projector (InternVL's classes)."""
    config = exam.subject.model.config
    vision, model = config.vision_config, exam.subject.model.model
    patches = (exam.size[0] // vision.patch_size[0]) * (exam.size[1] // vision.patch_size[1])
    tokens = patches + 1
    patch = vision.num_channels * vision.patch_size[0] * vision.patch_size[1]
    attention = 4 * tokens**2 * vision.hidden_size * vision.num_hidden_layers
    images = round(patches * config.downsample_ratio**2)
    return [
        Pass("patches", patches, Counter({(patch, vision.hidden_size): 1})),
        Pass("vision encoder", tokens, linear_layers(model.vision_tower), attention),
        Pass("projector", images, linear_layers(model.multi_modal_projector)),
    ]


def one_forward(exam: Exam) -> int:
    """Return the operations of one plain forward over the first prompt, attention dense, all predictions."""
    language = exam.subject.model.config.text_config
    length = len(exam.prompts[0].ids)
    per_key = 4 * language.num_attention_heads * language.head_dim * language.num_hidden_layers
    passes = [
        *_image(exam),
        Pass("prompt", length, linear_layers(exam.subject.language), per_key * length**2),
        Pass("predictions", length, linear_layers(exam.subject.model.lm_head)),
    ]
    return sum(part.linear + part.attention for part in passes)


def counted_by_torch(exam: Exam, image: Any) -> int:
    """Return what PyTorch's own counter finds in that forward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    subject = exam.subject
    inputs = subject.processor(text=exam.prompts[0].text, images=[image], return_tensors="pt")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        subject.model(**inputs.to(subject.device))
    return int(counter.get_total_flops())


def linear_layers(module: Any) -> Counter[Shape]:
    """Return how many linear layers of each shape a module has, itself included."""
    import torch

    return Counter(
        (part.in_features, part.out_features)
        for part in module.modules()
        if isinstance(part, torch.nn.Linear)
    )


def limit_seconds(passes: list[Pass], batch: int, dtype: torch.dtype, device: torch.device) -> float:
    """Return the seconds for one image if bare matrix products of the passes' shapes were all it took.

    Every shape is measured with as many rows as a batch of images brings. Attention's products are given the
    speed of all the others together.
    """
    seconds = sum(
        count * _seconds(part.rows * batch, shape, dtype, device) / batch
        for part in passes
        for shape, count in part.layers.items()
    )
    linear = sum(part.linear for part in passes)
    return seconds * (linear + sum(part.attention for part in passes)) / linear


def _seconds(rows: int, shape: Shape, dtype: torch.dtype, device: torch.device) -> float:
    """Return the seconds of one matrix product, the best of several."""
    import torch

    left = torch.randn(rows, shape[0], dtype=dtype, device=device)
    weight = torch.randn(shape[1], shape[0], dtype=dtype, device=device)

    def once() -> float:
        begun = time.perf_counter()
        torch.nn.functional.linear(left, weight)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - begun

    once()
    best, begun = once(), time.perf_counter()
    for _ in range(100):
        if time.perf_counter() - begun > SECONDS:
            break
        best = min(best, once())
    return best
