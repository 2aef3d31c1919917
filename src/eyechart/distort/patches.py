"""Spatial distortions of whole patches: displaced, painted over, shifted in brightness, or merged."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from eyechart.distort.registry import TID2013_PSNR, Pixels, Severity, register

_PATCH = 16  # side of a displaced patch
_BLOCK = 32  # side of a painted or shifted block
_SHARE = 12  # one block in so many is shifted


@register(
    "non_eccentricity_patch",
    family="spatial",
    severity=Severity("patches", "count", 0, 5000, whole=True, identity=(0, 0)),
    levels={"kadid10k": (20, 40, 60, 80, 100)},
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 20, TID2013 14: patches of 16 x 16 px copied to a place within 8 px in x and y",
)
def non_eccentricity_patch(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Copy patches over their neighbourhood, one after the other, so that a copy may be copied again.

    Sources keep 16 px from the border, or as much as the image has room for. TID2013's patches measure 15 px;
    its generator was not released.
    """
    distorted = image.copy()
    size = np.minimum(_PATCH, image.shape[:2])
    margin = np.minimum(_PATCH, (np.array(image.shape[:2]) - size) // 2)
    chance = draw.random((int(severity), 4))
    sources = margin + np.rint(chance[:, :2] * (image.shape[:2] - size - 2 * margin)).astype(int)
    offsets = np.rint((chance[:, 2:] - 0.5) * _PATCH).astype(int)
    targets = np.clip(sources + offsets, 0, image.shape[:2] - size)
    height, width = size
    for (top, left), (down, right) in zip(sources.tolist(), targets.tolist(), strict=True):
        distorted[down : down + height, right : right + width] = distorted[
            top : top + height, left : left + width
        ].copy()
    return distorted


@register(
    "color_block",
    family="spatial",
    severity=Severity("blocks", "count", 0, 500, whole=True, identity=(0, 0)),
    levels={"kadid10k": (2, 4, 6, 8, 10)},
    source="KADID-10k 23: blocks of 32 x 32 px, each of one random colour, at random places",
)
def color_block(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Paint blocks over the image; a smaller image is painted over as a whole. Blocks may overlap."""
    distorted = image.copy()
    height, width = (min(_BLOCK, side) for side in image.shape[:2])
    room = np.array(image.shape[:2]) - (height, width)
    for chance in draw.random((int(severity), 5)):
        top, left = np.rint(chance[:2] * room).astype(int)
        distorted[top : top + height, left : left + width] = (chance[2:] * 256).astype(np.uint8)
    return distorted


@register(
    "local_block",
    family="spatial",
    severity=Severity("offset", "grey levels, largest", 0.0, 255.0, identity=(0.0, 0.0)),
    targets={"tid2013": TID2013_PSNR},
    source="TID2013 15, local block-wise distortions of different intensity; own definition of the name",
)
def local_block(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Shift the brightness of one in twelve blocks of 32 x 32 px, each by its own offset of either sign.

    The offsets are uniform within the largest. TID2013 says no more than the name and the PSNR, and its
    viewers did not find the levels worse in step with it.
    """
    cells = np.array([math.ceil(side / _BLOCK) for side in image.shape[:2]])
    chosen = draw.permutation(cells.prod())[: math.ceil(cells.prod() / _SHARE)]
    offsets = np.rint(severity * draw.uniform(-1, 1, chosen.size)).astype(int)
    distorted = image.copy()
    for cell, offset in zip(chosen, offsets.tolist(), strict=True):
        top, left = _BLOCK * np.array(divmod(cell, cells[1]))
        block = distorted[top : top + _BLOCK, left : left + _BLOCK]
        block[...] = np.clip(block.astype(int) + offset, 0, 255)
    return distorted


@register(
    "pixelate",
    family="spatial",
    severity=Severity("strength", "s, of a size of 0.95 - s^0.6", 0.0, 0.9),
    levels={"kadid10k": (0.01, 0.05, 0.1, 0.2, 0.5)},
    source="KADID-10k 21: shrunk to 0.95 - s^0.6 of the size (rounded up) and enlarged, by the nearest pixel",
)
def pixelate(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Show large pixels, each with the colour of the one at its centre.

    ImageNet-C and DepictQA-Wild average the pixels instead (a box) and are not this type.
    """
    scale = 0.95 - severity**0.6
    (kept_rows, rows), (kept_columns, columns) = (_nearest(side, scale) for side in image.shape[:2])
    return np.take(image[kept_rows], kept_columns[columns], axis=1)[rows]


def _nearest(length: int, scale: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pixels of an axis that are kept, and for each pixel which of those is shown in its place."""
    small = math.ceil(length * scale)
    kept = np.minimum((np.arange(small) + 0.5) / scale, length - 1).astype(np.intp)
    shown = ((np.arange(length) + 0.5) * small / length).astype(np.intp)
    return kept, shown
