"""Take the pictures of a corpus as they are: read, decode, compare with the reference, keep the bytes."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from eyechart.corpora.corpus import Corpus, Item
from eyechart.corpora.decode import decode
from eyechart.corpora.photos import SetAside
from eyechart.dataset.config import DatasetConfig
from eyechart.dataset.make import Row, encode, pixels_sha256, position
from eyechart.distort import Pixels, psnr
from eyechart.errors import EyechartError
from eyechart.seeds import rng
from eyechart.taxonomy import CLEAN

NO_LEVEL = -1  # of a distorted picture whose corpus has no levels
_KEPT = ("PNG", "BMP", "JPEG")  # formats whose bytes are kept


@dataclass(frozen=True)
class Batch:
    """A few pictures of one corpus and one content, with their labels; ``clean`` is that of references."""

    corpus: Corpus
    partial: bool
    content: str
    split: str
    reference: Item | None
    items: tuple[tuple[Item, str], ...]
    clean: str


class _UnusableError(Exception):
    """A picture that is not what its corpus published."""


def take(batch: Batch, config: DatasetConfig) -> tuple[list[Row], list[SetAside]]:
    """Return a batch's rows (the columns of the dataset) and what was set aside.

    Raises:
        EyechartError: a picture is damaged, and the copy is not said to be partial.
    """
    rows: list[Row] = []
    aside: list[SetAside] = []
    original: Pixels | None = None
    if batch.reference is not None:
        try:
            original = _pixels(batch, batch.reference, None)[1]
        except _UnusableError as problem:
            _refuse(batch, batch.reference, problem)  # told once more when the reference's own turn comes
    for item, label in batch.items:
        try:
            found = _row(batch, item, label, original, config)
        except _UnusableError as problem:
            found = _refuse(batch, item, problem)
        if isinstance(found, SetAside):
            aside.append(found)
        else:
            rows.append(found)
    return rows, aside


def _refuse(batch: Batch, item: Item, problem: _UnusableError) -> SetAside:
    if not batch.partial:
        raise EyechartError(
            f"{batch.corpus.title}: {problem}",
            f"eyechart dataset check {batch.corpus.name} PATH lists all that is damaged; mend it, or accept "
            "a partial copy",
        ) from problem
    return SetAside(name_of(item), str(problem))


def _pixels(batch: Batch, item: Item, original: Pixels | None) -> tuple[bytes, Pixels]:
    try:
        data = batch.corpus.source.read(item.file)
        pixels = decode(data, item.file)
    except (EyechartError, OSError) as error:
        raise _UnusableError(getattr(error, "what", str(error))) from error
    if original is not None and pixels.shape != original.shape:
        size, other = (f"{p.shape[1]} x {p.shape[0]}" for p in (pixels, original))
        raise _UnusableError(f"{item.file} has {size} pixels, its reference {other}.")
    return data, pixels


def _row(
    batch: Batch, item: Item, label: str, original: Pixels | None, config: DatasetConfig
) -> Row | SetAside:
    data, pixels = _pixels(batch, item, original)
    if config.corpus_crop is not None:
        side = config.corpus_crop
        if min(pixels.shape[:2]) < side:
            return SetAside(name_of(item), f"smaller than the crop of {side} pixels")
        draw = rng(config.seed, "place", batch.corpus.name, batch.content)
        top, left = position(pixels if original is None else original, side, draw)
        window = np.s_[top : top + side, left : left + side]
        pixels = np.ascontiguousarray(pixels[window])
        original = None if original is None else original[window]
        data = encode(pixels)
    elif not _kept(data):
        data = encode(pixels)
    fidelity = float("nan") if original is None else psnr(pixels, original)
    if item.distortion == CLEAN:
        fidelity = float("inf")
    elif fidelity >= config.invisible_psnr:
        if config.identical == "leave-out":
            limit = f"PSNR {fidelity:.1f} dB >= {config.invisible_psnr:g} dB"
            return SetAside(name_of(item), f"cannot be told from its reference: {limit}")
        return _entry(batch, item, batch.clean, data, pixels, fidelity, clean=True)
    return _entry(batch, item, label, data, pixels, fidelity, clean=item.distortion == CLEAN)


def _kept(data: bytes) -> bool:
    """Say whether every reader gets the same pixels from these bytes: 8-bit RGB, nothing to be applied."""
    with Image.open(BytesIO(data)) as image:
        plain = image.mode == "RGB" and "transparency" not in image.info
        return plain and image.format in _KEPT and image.getexif().get(0x0112, 1) == 1


def _entry(
    batch: Batch, item: Item, label: str, data: bytes, pixels: Pixels, fidelity: float, *, clean: bool
) -> Row:
    corpus, image_id = batch.corpus, name_of(item)
    score = corpus.unit_score(item)
    suffix = {b"\x89P": "png", b"BM": "bmp", b"\xff\xd8": "jpg"}[data[:2]]
    return {
        "image_id": image_id,
        "image": {"bytes": data, "path": f"{image_id}.{suffix}"},
        "content": batch.content,
        "corpus": corpus.name,
        "reference": "" if item.reference is None else f"{corpus.name}/{item.reference}",
        "distortion": CLEAN if clean else item.distortion,
        "code": item.code,
        "level": 0 if clean else NO_LEVEL if item.level is None else item.level,
        "severity": _number(item.severity),
        "psnr": fidelity,
        "score": _number(score),
        "score_raw": _number(item.score),
        "score_std": _number(item.score_std),
        "label": label,
        "split": batch.split,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "pixels_sha256": pixels_sha256(pixels),
    }


def name_of(item: Item) -> str:
    """Return an item's image_id in a dataset, where ids of several corpora meet."""
    return f"{item.corpus}/{item.image_id}"


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)
