"""Joining contents by their pictures, on the photographs that LIVE and TID really share."""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eyechart.corpora.contents import content_of
from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.dataset.groups import join
from eyechart.dataset.splits import split_of
from eyechart.distort import Pixels

DATA = Path(__file__).parents[2] / "shared" / "data"
KODAK = DATA / "kodak"
OFFSETS = {1: (126, 104), 3: (44, 73), 4: (206, 0), 6: (43, 66), 8: (4, 71), 19: (255, 0)}  # of TID's crops
PORTRAITS = (4, 9, 10, 17, 18, 19)  # LIVE has them in 480 x 720

needs_kodak = pytest.mark.skipif(not KODAK.is_dir(), reason="the Kodak photographs are not in ../shared")


@cache
def _kodak(number: int) -> Pixels:
    return read_photo(KODAK / f"kodim{number:02}.png")


def _resized(picture: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def _jpeg(picture: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def _crop(number: int) -> Pixels:
    """Return a picture's crop of TID's size: at the place where TID has it, else in the middle."""
    picture = _kodak(number)
    middle = ((picture.shape[0] - 384) // 2, (picture.shape[1] - 512) // 2)
    top, left = OFFSETS.get(number, middle)
    return picture[top : top + 384, left : left + 512]


@needs_kodak
@pytest.mark.slow
def test_crops_resizes_and_recompressed_copies_are_joined_and_nothing_else() -> None:
    pictures: list[tuple[str, Pixels]] = []
    for number in range(1, 25):
        scene = f"kodak/kodim{number:02}"
        pictures += [(scene, _kodak(number)), (f"own/crop {number}", _crop(number))]
        if number in PORTRAITS:
            pictures.append((f"own/resized {number}", _resized(_kodak(number), 480, 720)))
        pictures.append((f"own/copy {number}", _jpeg(_kodak(number), 40)))
        pictures.append((f"own/small {number}", _jpeg(_resized(_crop(number), 400, 300), 75)))
    pictures += [(photo.content, read_photo(photo.path)) for photo in packaged_photos()]
    found = join(*zip(*pictures, strict=True))
    for name, leader in found.items():
        expected = name
        if name.startswith("own/"):
            expected = f"kodak/kodim{int(name.rpartition(' ')[2]):02}"
        assert leader == expected, name


@needs_kodak
def test_the_real_references_of_live_and_tid_are_found_without_the_table() -> None:
    real = {
        "buildings": ("live/samples/refimgs/buildings.bmp", "kodak/kodim08"),
        "womanhat": ("live/samples/refimgs/womanhat.bmp", "kodak/kodim04"),
        "monarch": ("live/samples/refimgs/monarch.bmp", "monarch"),
        "I01": ("tid2013/samples/reference_images/I01.BMP", "kodak/kodim01"),
        "kadid I01": ("kadid10k/samples/images/I01.png", "kadid I01"),
    }
    names = [f"kodak/kodim{number:02}" for number in range(1, 25)]
    pictures = [_kodak(number) for number in range(1, 25)]
    found = join([*names, *real], [*pictures, *(read_photo(DATA / file) for file, _ in real.values())])
    assert {name: found[name] for name in real} == {name: scene for name, (_, scene) in real.items()}


@needs_kodak
def test_the_two_photographs_of_one_regatta_are_two_contents_in_one_split() -> None:
    """LIVE's sailing2 and sailing3, TID's I09 and I10."""
    found = join(["a", "b"], [_kodak(9), _kodak(10)])
    assert found == {"a": "a", "b": "b"}
    assert split_of(content_of("live", "sailing2")) == split_of(content_of("tid2013", "I10"))


def test_the_group_has_the_published_name_whatever_the_order() -> None:
    photo = read_photo(packaged_photos()[3].path)
    height, width = photo.shape[:2]
    pictures = {
        "a/whole": photo,
        "kadid10k/I07": photo[: height * 3 // 4, : width * 3 // 4],
        "z/mirrored": np.ascontiguousarray(photo[:, ::-1]),
        "other/photograph": read_photo(packaged_photos()[4].path),
    }
    for seed in range(4):
        names = random.Random(seed).sample(list(pictures), len(pictures))
        assert join(names, [pictures[name] for name in names]) == {
            "a/whole": "kadid10k/I07",
            "kadid10k/I07": "kadid10k/I07",
            "z/mirrored": "kadid10k/I07",
            "other/photograph": "other/photograph",
        }
    two = {name: pictures[name] for name in ("a/whole", "z/mirrored")}
    assert join(list(two), two.values()) == {"a/whole": "a/whole", "z/mirrored": "a/whole"}


def test_several_pictures_of_one_content_are_one_group() -> None:
    first, second = (read_photo(photo.path) for photo in packaged_photos()[:2])
    assert join(["x", "x", "y"], [first, second, second[::2, ::2]]) == {"x": "x", "y": "x"}
    assert join([], []) == {}
