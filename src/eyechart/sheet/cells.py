"""What a contact sheet shows, whatever it is drawn with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort import FAMILIES, Distorted, Pixels, find, make_composed, psnr
from eyechart.errors import EyechartError
from eyechart.folder import Version
from eyechart.progress import track

WIDTH, HEIGHT = 160, 120  # pixels of a cut, at most
_FAIR = 0.5  # of the picture's mean error


@dataclass(frozen=True)
class Cell:
    """One version: its cut, its level and severity, and its PSNR; or no cut, and the reason."""

    cut: Pixels | None
    title: str
    note: str


@dataclass(frozen=True)
class Row:
    """One type, or several in a row: the same window of the picture and of each version."""

    name: str
    family: str
    parameter: str
    source: str
    original: Pixels
    cells: tuple[Cell, ...]


def sheet_rows(
    picture: Pixels, versions: Sequence[Version], *, image_id: str, seed: int, stretch: bool
) -> list[Row]:
    """Return a row for every type among the versions, in the order of the families."""
    common = _telling(picture)
    groups = [list(group) for _, group in groupby(sorted(versions, key=_order), key=_order)]
    rows = []
    for group in track(groups, "distorting"):
        made = list(_made(picture, group, image_id, seed, stretch))
        window = _window(picture, [one[-1].pixels for one in made if not isinstance(one, str)], common)
        cells = [_cell(version, one, picture, window) for version, one in zip(group, made, strict=True)]
        rows.append(_row(group[0], picture[window], cells))
    return rows


def _order(version: Version) -> tuple[list[int], str]:
    """Families in their order, single types before compositions."""
    places = [FAMILIES.index(find(step.type).family) for step in version.steps]
    return ([len(places), *places], version.distortion)


def _made(
    picture: Pixels, versions: Sequence[Version], image_id: str, seed: int, stretch: bool
) -> Iterator[tuple[Distorted, ...] | str]:
    """Yield every version, or why it cannot be made."""
    for version in versions:
        try:
            yield make_composed(picture, version.steps, seed=seed, image_id=image_id, stretch=stretch)
        except EyechartError as error:
            yield error.what


def _cell(
    version: Version, made: tuple[Distorted, ...] | str, picture: Pixels, window: tuple[slice, slice]
) -> Cell:
    levels = "+".join(str(step.level) for step in version.steps if step.level is not None)
    if isinstance(made, str):
        return Cell(None, levels, made)
    severities = " + ".join(f"{step.severity:.4g}" for step in made)
    fidelity = psnr(made[-1].pixels, picture)
    note = "no change" if fidelity == float("inf") else f"{fidelity:.1f} dB"
    return Cell(made[-1].pixels[window], f"L{levels}: {severities}" if levels else severities, note)


def _row(version: Version, original: Pixels, cells: Sequence[Cell]) -> Row:
    kinds = [find(step.type) for step in version.steps]
    return Row(
        name=" + ".join(kind.name for kind in kinds),
        family=" + ".join(kind.family for kind in kinds),
        parameter=" + ".join(f"{kind.severity.name} ({kind.severity.unit})" for kind in kinds),
        source="; ".join(kind.source for kind in kinds),
        original=original,
        cells=tuple(cells),
    )


def _telling(picture: Pixels) -> tuple[slice, slice]:
    """Return the window that stands best for the picture: as much light, colour and detail, as mixed."""
    values = picture.astype(np.float32)
    light = values.mean(axis=2)
    detail = np.log1p(np.hypot(cv2.Sobel(light, -1, 1, 0), cv2.Sobel(light, -1, 0, 1)))
    apart: Any = 0.0
    for trait in (light, values.max(axis=2) - values.min(axis=2), detail):
        mean, spread = float(trait.mean()), float(trait.std()) + 1e-3
        means = _means(trait)
        spreads = np.sqrt(np.maximum(_means(trait**2) - means**2, 0.0))
        apart = apart + (np.abs(means - mean) + np.abs(spreads - spread)) / spread
    return _best(-apart)


def _window(picture: Pixels, made: Sequence[Pixels], common: tuple[slice, slice]) -> tuple[slice, slice]:
    """Return the common window if it shows enough of every version's error, else the one with most."""
    errors = [((one.astype(np.float32) - picture) ** 2).mean(axis=2) for one in made]
    shares = [error / error.mean() for error in errors if error.any()]
    if all(share[common].mean() > _FAIR for share in shares):
        return common
    return _best(_means(np.mean(shares, axis=0)))


def _means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean over every window, by its top and left."""
    height, width = min(HEIGHT, values.shape[0]), min(WIDTH, values.shape[1])
    means: NDArray[np.float64] = cv2.boxFilter(values, cv2.CV_64F, (width, height), anchor=(0, 0))
    return means[: values.shape[0] - height + 1, : values.shape[1] - width + 1]


def _best(values: NDArray[np.float64]) -> tuple[slice, slice]:
    top, left = np.unravel_index(int(values.argmax()), values.shape)
    return slice(top, top + HEIGHT), slice(left, left + WIDTH)
