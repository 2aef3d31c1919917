"""The shipped pictures are what their tables say; a user's folder is read without surprises."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import struct
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from eyechart.corpora.photos import PACKAGED, folder_photos, packaged_photos, read_photo
from eyechart.errors import EyechartError

OBJECTS = PACKAGED.parent / "objects"
LICENSES = {"CC0-1.0", "CC-BY-4.0", "CC-BY-2.0", "MIT", "public domain"}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def picture(height: int = 160, width: int = 200) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png_with_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data do not fill."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_every_shipped_photograph_is_what_the_table_says() -> None:
    rows = rows_of(PACKAGED / "photos.csv")
    assert {row["file"] for row in rows} == {path.name for path in PACKAGED.glob("*.webp")}
    for row in rows:
        path = PACKAGED / row["file"]
        assert sha256(path) == row["sha256"], row["file"]
        assert read_photo(path).shape == (int(row["height"]), int(row["width"]), 3)
        factor = float(row["downscale"])
        assert int(row["width"]) * factor <= int(row["source_width"]) + factor
        assert min(int(row["height"]), int(row["width"])) >= 320
        assert max(int(row["height"]), int(row["width"])) <= 576


def test_there_are_enough_free_photographs_and_they_stay_small() -> None:
    rows = rows_of(PACKAGED / "photos.csv")
    assert len(rows) >= 40
    assert sum(path.stat().st_size for path in PACKAGED.iterdir()) <= 25e6
    assert {row["license"] for row in rows} <= LICENSES
    notices = (PACKAGED / "NOTICES.txt").read_text(encoding="utf-8")
    mit = {f"{row['package']} {row['version']}\n" for row in rows if row["license"] == "MIT"}
    assert all(package in notices for package in mit)
    assert notices.count("Permission is hereby granted, free of charge") == len(mit)
    assert all(row["author"] and row["license_evidence"] and row["title"] for row in rows)


def test_splits_follow_the_rule_and_every_category_is_tested() -> None:
    rows = rows_of(PACKAGED / "photos.csv")
    for category in {row["category"] for row in rows}:
        files = sorted(
            (row["file"] for row in rows if row["category"] == category),
            key=lambda file: hashlib.sha256(file.encode()).hexdigest(),
        )
        split = {row["file"]: row["split"] for row in rows}
        found = "".join({"test": "a", "validation": "b", "train": "c"}[split[file]] for file in files)
        assert found == "".join(sorted(found)), "test first, then validation, then train"
        assert found.startswith("a")
        assert found.count("a") == max(1, round(0.35 * len(files)))
    count = Counter(row["split"] for row in rows)
    assert count["test"] >= 14
    assert count["validation"] >= 4
    assert 0.45 <= count["train"] / len(rows) <= 0.65


def test_photographs_are_distinct_scenes_in_colour() -> None:
    photos = packaged_photos()
    small = []
    for photo in photos:
        pixels = read_photo(photo.path)
        assert np.ptp(pixels.astype(int), axis=2).mean() > 8, f"{photo.content} is nearly grey"
        thumbnail = np.asarray(Image.fromarray(pixels).resize((12, 12)), dtype=float)
        small.append(((thumbnail - thumbnail.mean()) / thumbnail.std()).ravel())
    likeness = np.corrcoef(np.array(small)) - np.eye(len(photos))
    first, second = np.unravel_index(likeness.argmax(), likeness.shape)
    assert likeness.max() < 0.9, (photos[first].content, photos[second].content)


def test_packaged_photos_are_sorted_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = packaged_photos()
    assert [photo.content for photo in photos] == sorted({photo.content for photo in photos})
    assert all(photo.split in ("train", "validation", "test") for photo in photos)
    monkeypatch.setattr("eyechart.corpora.photos.PACKAGED", tmp_path)
    with pytest.raises(EyechartError, match="missing"):
        packaged_photos()
    (tmp_path / "photos.csv").write_text("file,category,split\na.webp,night,test\n")
    with pytest.raises(EyechartError, match=r"lacks a\.webp"):
        packaged_photos()


def test_objects_are_what_their_table_says() -> None:
    rows = rows_of(OBJECTS / "objects.csv")
    assert len(rows) == 24
    assert len({row["name"] for row in rows}) == 24
    assert {row["file"] for row in rows} == {path.name for path in OBJECTS.glob("*.png")}
    assert sum(path.stat().st_size for path in OBJECTS.iterdir()) < 300_000
    for row in rows:
        assert sha256(OBJECTS / row["file"]) == row["sha256"]
        assert row["license"] == "Apache-2.0"
        with Image.open(OBJECTS / row["file"]) as image:
            assert image.size == (64, 64)
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
        assert (alpha == 0).mean() > 0.1
        assert (alpha > 200).mean() > 0.05  # the bicycle is the thinnest


def test_a_folder_keeps_the_good_and_sets_aside_the_rest(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "folder.png").mkdir()
    for name in ("good.PNG", "sub/good.jpg", "a b <i>&'.tiff", "ünï.webp", "flat.bmp"):
        Image.fromarray(picture()).save(tmp_path / name)
    whole = (tmp_path / "sub/good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.webp").touch()
    (tmp_path / "bomb.png").write_bytes(png_with_size(9000, 9000))
    (tmp_path / "huge-bomb.png").write_bytes(png_with_size(60000, 60000))
    Image.fromarray(picture(127, 400)).save(tmp_path / "tiny.png")
    (tmp_path / "line\nbreak.png").write_bytes((tmp_path / "good.PNG").read_bytes())
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "notes.txt").write_text("passed over")
    photos, set_aside = folder_photos(tmp_path)
    assert [photo.content for photo in photos] == [
        "a b <i>&'.tiff", "flat.bmp", "good.PNG", "sub/good.jpg", "ünï.webp",
    ]  # fmt: skip
    assert all(photo.split is None and photo.path.is_file() for photo in photos)
    reasons = {item.item: item.reason for item in set_aside}
    assert set(reasons) == {
        "cut.jpg", "text.png", "empty.webp", "bomb.png", "huge-bomb.png", "tiny.png", "dangling.png",
        "'line\\nbreak.png'",
    }  # fmt: skip
    assert "truncated" in reasons["cut.jpg"]
    assert "50,000,000" in reasons["bomb.png"]
    assert "50,000,000" in reasons["huge-bomb.png"]
    assert "127" in reasons["tiny.png"]


def test_a_folder_without_photographs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match="not a folder"):
        folder_photos(tmp_path / "nowhere")
    with pytest.raises(EyechartError, match="no usable photograph"):
        folder_photos(tmp_path)
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(EyechartError, match=r"a\.png"):
        folder_photos(tmp_path)


def test_every_kind_of_sample_becomes_8_bit_rgb(tmp_path: Path) -> None:
    rgb = picture()
    path = tmp_path / "p.png"
    Image.fromarray(rgb).save(path)
    assert np.array_equal(read_photo(path), rgb)
    Image.fromarray(rgb[..., 0]).save(path)
    assert np.array_equal(read_photo(path), np.repeat(rgb[..., :1], 3, axis=2))
    Image.fromarray(rgb[..., 0].astype(np.uint16) * 257).save(path)
    assert np.array_equal(read_photo(path), np.repeat(rgb[..., :1], 3, axis=2))
    palette = Image.fromarray(rgb).quantize(16)
    palette.save(path)
    assert np.array_equal(read_photo(path), np.asarray(palette.convert("RGB")))
    Image.fromarray(rgb[..., 0] > 127).save(path)
    assert set(np.unique(read_photo(path))) == {0, 255}
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[:80] = 0
    Image.fromarray(np.dstack([rgb, alpha])).save(path)
    assert np.array_equal(read_photo(path)[80:], rgb[80:])
    assert (read_photo(path)[:80] == 255).all()
    cmyk = tmp_path / "p.tif"
    Image.new("CMYK", (200, 160), (0, 255, 255, 0)).save(cmyk)
    assert read_photo(cmyk)[0, 0].tolist() == [255, 0, 0]
    Image.fromarray(np.zeros((160, 200), np.float32)).save(cmyk)
    with pytest.raises(EyechartError, match="32-bit"):
        read_photo(cmyk)


def test_a_turned_photograph_is_read_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.fromarray(picture()).save(path, exif=exif)
    assert np.array_equal(read_photo(path), np.rot90(picture(), -1))


def test_colour_profiles_are_converted(tmp_path: Path) -> None:
    path = tmp_path / "profile.png"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture()).save(path, icc_profile=srgb)
    assert np.abs(read_photo(path).astype(int) - picture()).max() <= 1
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for unfit in (b"no profile", lab):
        Image.fromarray(picture()).save(path, icc_profile=unfit)
        assert np.array_equal(read_photo(path), picture())


@given(st.integers(0, 4000), st.binary(min_size=1, max_size=40))
def test_damaged_bytes_never_escape_as_another_error(place: int, noise: bytes) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture(64, 64)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    data[place : place + len(noise)] = noise
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.jpg"
        path.write_bytes(data)
        with contextlib.suppress(EyechartError):
            assert read_photo(path).shape[2] == 3
