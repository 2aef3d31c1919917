"""Near-duplicates: planted leaks are found whatever was done to them; honest datasets have none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.dataset import Dataset, DatasetConfig, build_dataset, check_dataset
from eyechart.dataset.make import encode, pixels_sha256
from eyechart.dataset.near import Traces
from eyechart.dataset.store import schema
from eyechart.distort import Pixels, distort

PHOTOS = {photo.content: photo.path for photo in packaged_photos()}
NAMES = ("puffin", "canal-houses", "child-with-blocks", "rice-terraces", "pug")


def _resized(picture: Pixels, factor: float) -> Pixels:
    height, width = picture.shape[:2]
    size = (round(width * factor), round(height * factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _recompressed(picture: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def _cropped(picture: Pixels, share: float) -> Pixels:
    """Cut off equal shares at the left and the top."""
    height, width = picture.shape[:2]
    return picture[round(height * share) :, round(width * share) :]


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "recompressed": lambda picture: _recompressed(picture, 20),
    "halved": lambda picture: _resized(picture, 0.5),
    "enlarged": lambda picture: _resized(picture, 1.3),
    "mirrored": lambda picture: picture[:, ::-1],
    "trimmed": lambda picture: _cropped(picture, 0.02),
    "cropped": lambda picture: _cropped(picture, 0.3),
    "cropped, resized, recompressed": lambda picture: _recompressed(
        _resized(_cropped(picture, 0.3), 0.75), 60
    ),
    "stretched": lambda picture: np.asarray(Image.fromarray(picture).resize((300, 300))),
    "blurred": lambda picture: distort(picture, "gaussian_blur", level=4),
    "noisy": lambda picture: distort(picture, "white_noise", level=5),
    "darker": lambda picture: distort(picture, "darken", level=4),
    "grey": lambda picture: np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_found_among_others(change: str) -> None:
    traces = Traces()
    for name in NAMES:
        traces.add(read_photo(PHOTOS[name]), "train")
    for name in NAMES:
        traces.add(np.ascontiguousarray(CHANGES[change](read_photo(PHOTOS[name]))), "test")
    assert traces.pairs() == [(number, number + len(NAMES)) for number in range(len(NAMES))]


def test_different_photographs_are_not_alike_however_distorted() -> None:
    """Strong distortions take detail away or lay the same pattern over every picture."""
    traces = Traces()
    for number, path in enumerate(list(PHOTOS.values())[::3]):
        picture = read_photo(path)
        traces.add(picture, str(number))
        for kind in ("gaussian_blur", "jpeg", "impulse_noise", "contrast_change"):
            traces.add(distort(picture, kind, level=5), str(number))
    assert traces.pairs() == []


def test_pictures_that_show_nothing_are_not_alike() -> None:
    traces = Traces()
    for number in range(4):
        traces.add(np.full((200, 300, 3), 60 * number, np.uint8), str(number))
        ramp = np.linspace(0, 200 + number, 300, dtype=np.uint8)
        traces.add(np.tile(ramp[:, None], (200, 1, 3)), str(10 + number))
        traces.add(np.zeros((1, 1, 3), np.uint8), str(20 + number))
    assert traces.pairs() == []
    assert Traces().pairs() == []


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in (*NAMES, "dahlia", "red-facade", "two-dogs"):
        Image.fromarray(read_photo(PHOTOS[name])).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def dataset(photos: Path, tmp_path: Path) -> Dataset:
    """A small dataset of one's own photographs."""
    config = DatasetConfig.of(
        name="small", photos=photos, crop=160, train_images=64, levels=(3,), clean_per_content=2
    )
    return build_dataset(config, tmp_path)


@pytest.mark.parametrize("change", ["recompressed", "mirrored", "cropped", "enlarged"])
def test_a_planted_leak_is_told(dataset: Dataset, change: str) -> None:
    """A training picture, changed, under another name and content in test."""
    assert check_dataset(dataset) == []
    clean = next(
        row for row in dataset.rows("train") if row["label"] == "clean" and row["corpus"] == "photos"
    )
    picture = np.ascontiguousarray(CHANGES[change](dataset.images("train", [clean["image_id"]])[0]))
    path = dataset.path / "test-00000.parquet"
    rows = pq.read_table(path).to_pylist()
    planted = {"image_id": "planted", "image": {"bytes": encode(picture), "path": "planted.png"}}
    rows.append({**rows[0], **planted, "pixels_sha256": pixels_sha256(picture)})
    pq.write_table(pa.Table.from_pylist(rows, schema()), path)
    (problem,) = check_dataset(dataset)
    assert problem.startswith("1 pictures are nearly the same as one of another split: planted (test, like ")


@pytest.mark.slow
def test_the_built_in_photographs_have_no_leak(tmp_path: Path) -> None:
    assert check_dataset(build_dataset(DatasetConfig.of(train_images=400), tmp_path)) == []
