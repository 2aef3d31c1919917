"""How fast this device is at a subject's own matrix products: measured, in a fraction of a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eyechart.subjects.components import components

if TYPE_CHECKING:
    import torch

SECONDS = 0.05  # that one shape is measured for, at least
# Longest sides of a measured product: enough for full speed, few enough to be over soon.
_LONGEST = {"cpu": 2048, "cuda": 8192}
_ROWS = {"cpu": 512, "cuda": 8192}
# Share of the speed of bare matrix products that a whole model reaches (benchmarks/exam.py: 0.4 to 0.6 with
# the built-in subject on two cores); the rest goes into normalisation, softmax and moving memory.
REACHED = 0.5

Shape = tuple[int, int]  # of a linear layer's weight: inputs, outputs


def dominant(skeleton: Any) -> dict[str, Shape]:
    """Return, for each component, the shape of the linear layers in which most of its parameters lie."""
    import torch

    home = {id(p): component for component, part in components(skeleton).items() for p in part.values()}
    held: dict[str, dict[Shape, int]] = {component: {} for component in set(home.values())}
    for module in skeleton.modules():
        if isinstance(module, torch.nn.Linear) and module is not skeleton.get_output_embeddings():
            shape = (module.in_features, module.out_features)
            of = held[home[id(module.weight)]]
            of[shape] = of.get(shape, 0) + module.weight.numel()
    return {component: max(of, key=lambda s: of[s]) for component, of in held.items() if of}


def speeds(skeleton: Any, rows: dict[str, int], dtype: torch.dtype, device: torch.device) -> dict[str, float]:
    """Return operations per second of bare products of each component's dominant shape.

    A component without linear layers (Gemma 3's projector is one matrix) is given the language model's.

    Args:
        skeleton: the model, on any device.
        rows: tokens that go through each component at a time.
        dtype: type of the products.
        device: where they are measured.
    """
    shapes = dominant(skeleton)
    return {
        name: speed(count, shapes.get(name, shapes["language"]), dtype, device)
        for name, count in rows.items()
    }


def speed(rows: int, shape: Shape, dtype: torch.dtype, device: torch.device) -> float:
    """Return operations per second of one product, the best of several; huge ones are cut."""
    import torch

    kind = "cuda" if device.type == "cuda" else "cpu"
    inputs, outputs = (min(side, _LONGEST[kind]) for side in shape)
    rows = max(1, min(rows, _ROWS[kind]))
    left = torch.ones(rows, inputs, dtype=dtype, device=device)  # no random number is drawn
    weight = torch.ones(outputs, inputs, dtype=dtype, device=device)

    def once() -> float:
        begun = time.perf_counter()
        torch.nn.functional.linear(left, weight)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - begun

    once()
    best, until = once(), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        best = min(best, once())
    return 2 * rows * inputs * outputs / best
