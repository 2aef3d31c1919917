"""Which float32 results lie so close to a rounding tie that the processor would decide a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.pixels import rounded


def near_ties(levels: NDArray[np.float32], doubt: float) -> NDArray[np.intp]:
    """Return the flat indices of grey levels within ``doubt`` of a half between two of 0 to 255."""
    distance = cv2.subtract(levels, rounded(levels), dtype=cv2.CV_32F)
    np.abs(distance, out=distance)
    distance -= np.float32(0.5)
    return np.flatnonzero(np.abs(distance, out=distance) < doubt)
