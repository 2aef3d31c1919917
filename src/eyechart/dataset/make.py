"""Make the pictures of one task."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from eyechart.corpora.dead_leaves import dead_leaves
from eyechart.corpora.photos import SetAside, read_photo
from eyechart.dataset.config import DatasetConfig
from eyechart.dataset.plan import Cell, Scene, Task
from eyechart.distort import Pixels, distort, find, psnr
from eyechart.seeds import rng, seed_of
from eyechart.taxonomy import CLEAN

Row = dict[str, Any]

_DRAWN_SIZE = (384, 512)  # height and width of drawn scenes
_TRIES = 10
_DETAIL = (
    1.5  # mean difference of neighbours in green, in grey levels; below it neither blur nor jitter shows
)


def make(task: Task, config: DatasetConfig) -> tuple[list[Row], list[SetAside]]:
    """Return a task's rows (the columns of the dataset) and what was set aside."""
    rows: list[Row] = []
    aside: list[SetAside] = []
    original = _picture(task.scene, config.seed)
    for cell in task.cells:
        picture = original
        if task.scene.split == "train":
            down, across = rng(config.seed, "flip", task.scene.content, cell.places).choice([-1, 1], 2)
            picture = original[::down, ::across]
        for found in _crops(picture, task.scene, cell, config):
            (aside if isinstance(found, SetAside) else rows).append(found)  # type: ignore[arg-type]
    return rows, aside


def _picture(scene: Scene, seed: int) -> Pixels:
    if scene.path is not None:
        return read_photo(scene.path)
    return dead_leaves(seed_of(seed, scene.content), *_DRAWN_SIZE)


def _crops(picture: Pixels, scene: Scene, cell: Cell, config: DatasetConfig) -> Iterator[Row | SetAside]:
    """Yield each crop of a cell, by the first of its types that can be seen there."""
    made: dict[str, Pixels] = {}
    for number, place in cell.crops:
        draw = rng(config.seed, "place", scene.content, cell.places, place)
        top, left = position(picture, config.crop, draw)
        window = np.s_[top : top + config.crop, left : left + config.crop]
        clean = picture[window]
        if not cell.types:
            yield _row(clean, clean, scene, cell, CLEAN, number)
            continue
        for kind in cell.types:
            if kind not in made:
                image_id = _image_id(scene, kind, cell.level, cell.crops[0][0])
                made[kind] = distort(picture, kind, level=cell.level, seed=config.seed, image_id=image_id)
            crop = made[kind][window]
            fidelity = psnr(crop, clean)
            if fidelity < config.invisible_psnr:
                yield _row(crop, clean, scene, cell, kind, number)
                break
            item = _image_id(scene, kind, cell.level, number)
            yield SetAside(item, f"cannot be seen: PSNR {fidelity:.1f} dB >= {config.invisible_psnr:g} dB")
        else:
            item = _image_id(scene, cell.label, cell.level, number)
            yield SetAside(item, "no type of this label can be seen here")


def position(picture: Pixels, side: int, draw: np.random.Generator) -> tuple[int, int]:
    """Draw a crop's top and left; where it has no detail draw again, and take the best in the end."""
    best, most = (0, 0), -1.0
    for _ in range(_TRIES):
        top = int(draw.integers(picture.shape[0] - side + 1))
        left = int(draw.integers(picture.shape[1] - side + 1))
        green = picture[top : top + side, left : left + side, 1].astype(np.int16)
        detail = (np.abs(np.diff(green, axis=0)).mean() + np.abs(np.diff(green, axis=1)).mean()) / 2
        if detail > most:
            best, most = (top, left), float(detail)
        if detail >= _DETAIL:
            break
    return best


def _image_id(scene: Scene, kind: str, level: int, number: int) -> str:
    return f"{scene.content}/{kind}/{level}/{number}"


def _row(crop: Pixels, clean: Pixels, scene: Scene, cell: Cell, kind: str, number: int) -> Row:
    image_id = _image_id(scene, kind, cell.level, number)
    severity = float("nan") if kind == CLEAN else find(kind).at_level(cell.level)
    return {
        "image_id": image_id,
        "image": {"bytes": encode(crop), "path": f"{image_id}.png"},
        "content": scene.content,
        "corpus": scene.corpus,
        "reference": "",
        "distortion": kind,
        "code": "",
        "level": cell.level,
        "severity": float(severity),
        "psnr": psnr(crop, clean),
        "score": float("nan"),
        "score_raw": float("nan"),
        "score_std": float("nan"),
        "label": cell.label,
        "split": scene.split,
        "width": crop.shape[1],
        "height": crop.shape[0],
        "pixels_sha256": pixels_sha256(crop),
    }


def encode(image: Pixels) -> bytes:
    """Return an image as PNG."""
    stream = BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=3)
    return stream.getvalue()


def pixels_sha256(image: Pixels) -> str:
    """Return the hash of an image's size and pixels."""
    height, width = image.shape[:2]
    return hashlib.sha256(f"{height}x{width}:".encode() + image.tobytes()).hexdigest()
