"""The units in which a model's weights are gathered where they are spread over processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def blocks(model: Any) -> Iterator[Any]:
    """Yield a model's repeated blocks: the modules of lists, but for lists inside a block."""
    from torch.nn import ModuleList

    for child in model.children():
        if isinstance(child, ModuleList):
            yield from (block for block in child if next(block.parameters(), None) is not None)
        else:
            yield from blocks(child)
