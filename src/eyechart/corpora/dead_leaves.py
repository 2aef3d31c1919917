"""Scenes of occluding leaves, as many as one likes, with statistics like those of photographs.

Objects of all sizes that hide one another give the spectrum, the edges and the flat regions of natural images
(Lee, Mumford, Huang: Occlusion models for natural images, IJCV 2001). They hold nothing that could be known
by heart, no traces of compression, and cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.pixels import to_pixels
from eyechart.seeds import rng

Pixels = NDArray[np.uint8]
Reals = NDArray[np.float64]

_SCALE = 2  # drawn this many times larger and averaged, so that edges are smooth
_TILE = 256  # side of the periodic texture in drawn px
_COVER = 5.0  # total area of the leaves over that of the picture; holes show the first leaf
_MOST = 6000
# Natural colours: how far lightness, warm-cold and green-magenta spread, as directions in sRGB.
_AXES = np.array([[0.58, 0.58, 0.58], [0.70, 0.05, -0.71], [0.41, -0.82, 0.40]])


@dataclass(frozen=True)
class _Leaves:
    """One row per leaf, from the back to the front: centre and radius in drawn px, colour and texture."""

    centre: Reals  # n x 2
    radius: Reals  # n
    colour: Reals  # n x 3
    shade: Reals  # n x 3, colour that shading and texture add per unit
    slope: Reals  # n x 2, shading per px
    grain: Reals  # n, strength of the 1/f texture
    shift: NDArray[np.int64]  # n x 2, where in the texture's tile
    stripes: Reals  # n, strength of the sinusoid
    wave: Reals  # n x 2, its radians per px


def dead_leaves(seed: int, height: int, width: int) -> Pixels:
    """Return a scene (uint8 height x width x 3, RGB) that depends on the seed and the size only.

    Leaves (disks, ellipses, rectangles) have radii with density r^-3. Scenes differ in brightness, contrast,
    colourfulness and amount of detail, as photographs do.
    """
    draw = rng(seed, "dead leaves", height, width)
    size = (height * _SCALE, width * _SCALE)
    leaves = _grow(draw, size)
    index = _lay(leaves, draw, size)
    down, right = np.mgrid[: size[0], : size[1]].astype(np.float64)
    y, x = down - leaves.centre[:, 1][index], right - leaves.centre[:, 0][index]
    light = leaves.slope[:, 0][index] * x + leaves.slope[:, 1][index] * y
    tile = _texture(draw)
    rows = (down.astype(np.int64) + leaves.shift[:, 0][index]) % _TILE
    columns = (right.astype(np.int64) + leaves.shift[:, 1][index]) % _TILE
    light += leaves.grain[index] * tile[rows, columns]
    light += leaves.stripes[index] * np.sin(leaves.wave[:, 0][index] * x + leaves.wave[:, 1][index] * y)
    scene = leaves.colour[index] + leaves.shade[index] * light[..., None]
    return to_pixels(scene.reshape(height, _SCALE, width, _SCALE, 3).mean(axis=(1, 3)))


def _grow(draw: np.random.Generator, size: tuple[int, int]) -> _Leaves:
    """Draw every leaf's place, size, colour and texture. The first one is the background."""
    least = _SCALE * 2 ** draw.uniform(0.2, 2.8)
    most = 0.5 * min(size)
    least = min(least, most / 4)
    mean_area = 2 * np.pi * least**2 * np.log(most / least) / (1 - (least / most) ** 2)
    count = min(1 + int(np.ceil(_COVER * size[0] * size[1] / mean_area)), _MOST)
    radius = least / np.sqrt(1 - draw.random(count) * (1 - (least / most) ** 2))
    radius[0] = max(size)
    colour = _colours(draw, count)
    angle, period = draw.uniform(0, 2 * np.pi, (2, count)), _SCALE * 2 ** draw.uniform(1.2, 4.5, count)
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    roughness = draw.uniform(0.2, 1.0)  # of the scene
    return _Leaves(
        centre=draw.uniform(0, 1, (count, 2)) * (size[1], size[0]),
        radius=radius,
        colour=colour,
        shade=0.5 * colour + 0.15 + draw.normal(0, 0.04, (count, 3)),
        slope=turn[0] * (draw.normal(0, 0.35, count) / radius)[:, None],
        grain=roughness * 0.16 * draw.gamma(1.0, 1.0, count),
        shift=draw.integers(0, _TILE, (count, 2)),
        stripes=roughness * np.where(draw.random(count) < 0.15, draw.uniform(0.05, 0.4, count), 0.0),
        wave=turn[1] * (2 * np.pi / period)[:, None],
    )


def _colours(draw: np.random.Generator, count: int) -> Reals:
    """Draw colours around the scene's own: mostly lightness, some hue, a few vivid."""
    middle, contrast, colourful = draw.uniform(0.22, 0.65), draw.uniform(0.07, 0.26), draw.gamma(2.0, 0.09)
    around = draw.normal(0, (0.0, 0.6, 0.3)) * colourful
    vivid = np.where(draw.random(count) < 0.08, 2.0, 1.0) * draw.gamma(2.0, 0.5, count)
    spread = np.stack([np.full(count, contrast * 1.7), vivid * colourful, vivid * colourful * 0.5], axis=-1)
    colours: Reals = middle + (draw.standard_normal((count, 3)) * spread + around) @ _AXES
    return np.clip(colours, 0.01, 0.99)


def _texture(draw: np.random.Generator) -> Reals:
    """Return a periodic tile of 1/f noise of variance one."""
    frequency = np.hypot(np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :])
    frequency[0, 0] = np.inf
    tile: Reals = np.fft.irfft2(np.fft.rfft2(draw.standard_normal((_TILE, _TILE))) / frequency)
    tile /= tile.std()
    return tile


def _lay(leaves: _Leaves, draw: np.random.Generator, size: tuple[int, int]) -> NDArray[np.int32]:
    """Return which leaf is seen at each pixel."""
    index = np.zeros(size, np.int32)
    form = draw.random(len(leaves.radius))
    flatness, angle = draw.uniform(0.35, 1.0, len(form)), draw.uniform(0, 180, len(form))
    for leaf in range(1, len(form)):
        centre, radius = leaves.centre[leaf], leaves.radius[leaf]
        at, reach = (int(centre[0]), int(centre[1])), max(1, round(radius))
        if form[leaf] < 0.6:
            cv2.circle(index, at, reach, leaf, cv2.FILLED)
        elif form[leaf] < 0.8:
            axes = (reach, max(1, round(radius * flatness[leaf])))
            cv2.ellipse(index, at, axes, angle[leaf], 0, 360, leaf, cv2.FILLED)
        else:
            sides = (1.8 * radius, 1.8 * radius * flatness[leaf])
            corners = cv2.boxPoints((at, sides, angle[leaf]))
            cv2.fillConvexPoly(index, np.rint(corners).astype(np.int32), leaf)
    return index
