"""How fast this device is at a subject: one layer of each part is timed, with weights that mean nothing.

A layer's time holds what a count of operations does not: normalisation, softmax, memory, and the casts of
autocast. It is measured in a fraction of a second, at the lengths of the run and with as many images as that
allows. A family whose layer does not run by itself gets half the speed of a bare matrix product.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eyechart.plan.flops import REFUSALS, decode
from eyechart.subjects.components import components
from eyechart.subjects.prove import image_features

if TYPE_CHECKING:
    import torch

SECONDS = 0.05  # that one thing is measured for, at least
_MOST = {"cpu": 1e11, "cuda": 1e13}  # operations that are timed at a time, about
_LONGEST = {"cpu": 2048, "cuda": 8192}  # sides of a bare matrix product
_HALF = 0.5  # share of the speed of bare matrix products that a model reaches, about

Shape = tuple[int, int]  # of a linear layer's weight: inputs, outputs


@dataclass(frozen=True)
class Load:
    """What is computed at a time.

    Attributes:
        images: how many.
        seen: what the processor makes of one.
        tokens: length of a pass through the language model.
    """

    images: int
    seen: Mapping[str, torch.Tensor]
    tokens: int


def speeds(skeleton: Any, load: Load, autocast: bool, device: torch.device) -> dict[str, float]:
    """Return operations per second of vision, projector, language and predictions over the vocabulary.

    Args:
        skeleton: the model on the meta device, in the type of its matrix products.
        load: what is computed at a time.
        autocast: whether weights lie in float32 and are cast to that type.
        device: where it is measured.
    """
    head = skeleton.get_output_embeddings()
    found = {} if head is None else {"predictions": _head_speed(skeleton, load, device)}
    ways: dict[str, Callable[[int], Any]] = {}
    with suppress(*REFUSALS):
        thin = one_layer(skeleton, autocast, device)
        size = sum(p.numel() for p in thin.get_decoder().parameters())
        tokens = max(1, min(load.tokens, int(_MOST.get(device.type, 1e11) / (2 * size))))
        ways = {
            "vision": lambda n: image_features(thin, _repeated(load.seen, n, thin, device)),
            "language": lambda n: decode(thin, _states(thin, n, tokens, device)),
        }
    for name, way in ways.items():
        with suppress(*REFUSALS):
            found[name] = _timed(way, load.images, autocast, device)
    if "vision" in found:
        found["projector"] = found["vision"]
    shapes = dominant(skeleton)
    for name in ("vision", "projector", "language"):
        if name not in found:
            shape = shapes.get(name, shapes["language"])
            found[name] = _HALF * product_speed(load.images * load.tokens, shape, skeleton, device)
    return {"predictions": found["language"]} | found


def one_layer(skeleton: Any, autocast: bool, device: torch.device) -> Any:
    """Return a copy of a model with one layer of each kind and no vocabulary, its values meaningless."""
    import torch

    thin = deepcopy(skeleton)
    thin.set_input_embeddings(torch.nn.Identity())
    thin.set_output_embeddings(torch.nn.Identity())
    for module in list(thin.modules()):
        if isinstance(module, torch.nn.ModuleList) and len(module) > 1 and _same(module):
            del module[1:]
    thin.to(torch.float32 if autocast else skeleton.dtype).to_empty(device=device)
    for tensor in (*thin.parameters(), *thin.buffers()):
        tensor.data.fill_(0.01 if tensor.is_floating_point() else 0)
    return thin.eval().requires_grad_(False)


def _same(layers: Any) -> bool:
    """Say whether all modules of a list are of one class: the layers of a stack."""
    return len({type(layer) for layer in layers}) == 1


def _timed(way: Callable[[int], Any], images: int, autocast: bool, device: torch.device) -> float:
    """Return operations per second of something done to some images."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        with FlopCounterMode(display=False) as counter:
            way(1)
        each = float(counter.get_total_flops())
        count = max(1, min(images, int(_MOST.get(device.type, 1e11) / max(each, 1))))
        return each * count / _best(lambda: way(count), device)


def _best(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of some work, the best of several times after a first."""
    import torch

    def once() -> float:
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - begun

    once()
    best, until = once(), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        best = min(best, once())
    return best


def _repeated(
    seen: Mapping[str, torch.Tensor], images: int, thin: Any, device: torch.device
) -> dict[str, torch.Tensor]:
    """Return what the processor would make of many such images."""
    return {
        name: value.to(device, thin.dtype if value.is_floating_point() else None).repeat(
            images, *[1] * (value.ndim - 1)
        )
        for name, value in seen.items()
    }


def _states(thin: Any, images: int, tokens: int, device: torch.device) -> torch.Tensor:
    import torch

    width = thin.config.get_text_config().hidden_size
    return torch.ones(images, tokens, width, dtype=thin.dtype, device=device)


def _head_speed(skeleton: Any, load: Load, device: torch.device) -> float:
    """Return operations per second of predictions, with the normalising sum over the vocabulary."""
    import torch

    outputs, inputs = skeleton.get_output_embeddings().weight.shape
    rows = max(1, min(load.images * load.tokens, int(_MOST.get(device.type, 1e11) / (2 * inputs * outputs))))
    left = torch.ones(rows, inputs, dtype=skeleton.dtype, device=device)
    weight = torch.ones(outputs, inputs, dtype=skeleton.dtype, device=device)
    seconds = _best(lambda: torch.nn.functional.linear(left, weight).float().logsumexp(-1), device)
    return float(2 * rows * inputs * outputs / seconds)


def product_speed(rows: int, shape: Shape, skeleton: Any, device: torch.device) -> float:
    """Return operations per second of a bare matrix product; huge ones are cut."""
    import torch

    longest = _LONGEST.get(device.type, 2048)
    (inputs, outputs), rows = (min(side, longest) for side in shape), min(rows, longest // 4)
    left = torch.ones(rows, inputs, dtype=skeleton.dtype, device=device)  # no random number is drawn
    weight = torch.ones(outputs, inputs, dtype=skeleton.dtype, device=device)
    return 2 * rows * inputs * outputs / _best(lambda: torch.nn.functional.linear(left, weight), device)


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
