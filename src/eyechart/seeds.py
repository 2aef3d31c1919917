"""Random choices that do not depend on order, batch size, workers or resuming."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(seed: int, *what: str | int) -> int:
    """Return a 64-bit seed for one purpose and one item.

    Args:
        seed: the run's seed.
        what: what the draw is for and for which item, e.g. ``("distort", image_id)``.
    """
    key = "\x1f".join(str(part) for part in (seed, *what))
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")


def rng(seed: int, *what: str | int) -> np.random.Generator:
    """Return a NumPy generator for one purpose and one item (see :func:`seed_of`)."""
    return np.random.default_rng(seed_of(seed, *what))
