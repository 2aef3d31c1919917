"""Which float32 results lie so close to a rounding tie that the processor would decide a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHUNK = 32_768  # values at a time, which stay in the processor's cache


def near_ties(levels: NDArray[np.float32], doubt: float) -> NDArray[np.intp]:
    """Return the flat indices of grey levels within ``doubt`` of a half."""
    flat = levels.reshape(-1)
    found = []
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        distance = part - np.floor(part)
        distance -= np.float32(0.5)
        found.append(start + np.flatnonzero(np.abs(distance, out=distance) < doubt))
    return np.concatenate(found)
