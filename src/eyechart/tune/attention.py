"""Which attention a model is trained with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def attention(model: Any) -> Iterator[None]:
    """Train with eager attention on a CPU, where the backward pass of torch's own takes longer.

    Elsewhere, and where a model was loaded with another kind, nothing changes.
    """
    if model.device.type != "cpu" or model.config._attn_implementation != "sdpa":
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation("sdpa")
