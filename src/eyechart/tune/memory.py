"""Keep freed memory in the process, which a CPU would lose to page faults."""

from __future__ import annotations

import ctypes
import sys

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
