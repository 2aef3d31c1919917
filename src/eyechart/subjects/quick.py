"""What a CPU needs to be fast: freed memory kept in the process, and states that lie together."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's mallopt(3)


def keep_memory() -> None:
    """Tell glibc to reuse freed blocks and not return them to the kernel."""
    if sys.platform != "linux":
        return
    try:
        tune = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    tune(_M_MMAP_MAX, 0)
    tune(_M_TRIM_THRESHOLD, 2**31 - 1)


def keep_together(model: Any) -> None:
    """Hand the model's head its states in one piece.

    The states of a few positions, cut out of a sequence, lie apart; torch then multiplies the images of a
    batch one by one, each with a copy of the head's frozen weights.
    """
    head = model.get_output_embeddings()
    if head is not None:
        head.register_forward_pre_hook(_in_one_piece)


def _in_one_piece(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (args[0].contiguous(), *args[1:])
