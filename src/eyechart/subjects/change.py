"""Change one tensor of a model for a moment, and tell whether anything differs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@contextmanager
def changed(parameter: torch.Tensor) -> Iterator[None]:
    """Change a parameter and put it back, bit for bit."""
    import torch

    kept = parameter.detach().clone()
    noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(
        parameter
    )
    parameter.data.add_(noise * (0.1 + kept.abs().mean()))
    try:
        yield
    finally:
        parameter.data.copy_(kept)


def equal(one: list[torch.Tensor], two: list[torch.Tensor]) -> bool:
    """Say whether two lists of tensors are the same, bit for bit."""
    import torch

    return len(one) == len(two) and all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
