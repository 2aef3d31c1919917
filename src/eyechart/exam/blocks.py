"""How an exam is cut: blocks of images that are stored together, batches that are computed together.

Both follow from the dataset and the settings alone. What a run computed before, and how many processes share
it, changes nothing about who stands beside whom in a batch, so results stay the same to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence

Size = tuple[int, int]


def blocks(count: int, block: int) -> list[range]:
    """Return the blocks of ``count`` images, in order; the last one may be shorter."""
    return [range(start, min(start + block, count)) for start in range(0, count, block)]


def batches(places: Sequence[int], sizes: Sequence[Size], batch: int) -> list[list[int]]:
    """Return the batches of one block: images of one size each, so that their prompts have one length.

    Args:
        places: the block's images.
        sizes: (height, width in px) of every image of the exam.
        batch: most images in one.
    """
    alike: dict[Size, list[int]] = {}
    for place in places:
        alike.setdefault(sizes[place], []).append(place)
    return [group[start : start + batch] for group in alike.values() for start in range(0, len(group), batch)]
