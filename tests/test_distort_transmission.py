"""Errors of transmission: which bits are damaged, how many, and what a decoder makes of them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ImageFile

from eyechart.distort import Pixels, Step, distort, find, make_distorted, psnr
from eyechart.distort.bitstream import damage_jpeg, damage_jpeg2000, flip_bits
from eyechart.distort.codecs import decode, encode, encode_jpeg2000
from eyechart.distort.registry import Redrawn
from eyechart.distort.transmission import _received
from eyechart.errors import EyechartError
from eyechart.seeds import rng

TYPES = ["jpeg_transmission", "jpeg2000_transmission"]


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from eyechart.corpora.photos import packaged_photos, read_photo

    return np.ascontiguousarray(read_photo(packaged_photos()[3].path)[100:292, 120:376])


def wrong(one: bytes, other: bytes) -> NDArray[np.int64]:
    """Return the places of the bits in which two strings of one length differ."""
    assert len(one) == len(other)
    both = np.frombuffer(one, np.uint8) ^ np.frombuffer(other, np.uint8)
    return np.flatnonzero(np.unpackbits(both))


@pytest.mark.parametrize("burst", [1, 20])
@pytest.mark.parametrize("rate", [1e-3, 1e-2])
def test_as_many_bits_are_wrong_as_asked(burst: int, rate: float) -> None:
    data = bytes(200_000)
    share = np.mean([len(wrong(data, flip_bits(data, rate, burst, rng(s)))) for s in range(4)]) / 1_600_000
    assert share == pytest.approx(rate, rel=0.06)


def test_single_errors_are_independent_and_bursts_are_bursts() -> None:
    data = bytes(400_000)
    single = np.diff(wrong(data, flip_bits(data, 1e-3, 1, rng(1))))
    assert np.median(single) == pytest.approx(1000 * np.log(2), rel=0.1)  # geometric gaps
    gaps = np.diff(wrong(data, flip_bits(data, 1e-3, 20, rng(1))))
    inside = gaps[gaps < 100]
    assert len(inside) / len(gaps) == pytest.approx(9.5 / 10.5, abs=0.04)  # 10.5 wrong bits a burst
    assert inside.mean() == pytest.approx(2, rel=0.1)  # every second bit


def test_at_least_one_bit_is_wrong() -> None:
    data = np.random.default_rng(1).bytes(5000)
    places = [wrong(data, flip_bits(data, 1e-9, 1, rng(seed))) for seed in range(50)]
    assert {len(found) for found in places} == {1}
    assert len({int(found[0]) for found in places}) == 50  # anywhere
    assert flip_bits(b"", 0.1, 1, rng(1)) == b""


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    rate=st.sampled_from([1e-7, 1e-4, 1e-2]),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    burst=st.sampled_from([1, 20]),
)
def test_a_damaged_jpeg_keeps_its_headers_and_markers(
    seed: int, rate: float, size: tuple[int, int], burst: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    stream = encode(image, "JPEG", quality=90, subsampling="4:2:0", restart_marker_blocks=2)
    damaged = damage_jpeg(stream, rate, burst, rng(seed))
    start = stream.index(b"\xff\xda") + 14
    assert damaged[:start] == stream[:start]
    assert damaged[-2:] == b"\xff\xd9"
    markers = re.compile(rb"\xff[^\x00]", re.DOTALL)
    assert markers.findall(damaged[start:]) == markers.findall(stream[start:])
    payload, other = (scan[start:].replace(b"\xff\x00", b"\xff") for scan in (stream, damaged))
    assert len(wrong(payload, other)) >= 1
    assert decode(damaged, "JPEG").shape == image.shape


def test_a_wrong_bit_stays_between_two_restart_markers(photo: Pixels) -> None:
    stream = encode(photo, "JPEG", quality=90, subsampling="4:2:0", restart_marker_blocks=8)
    clean = decode(stream, "JPEG").astype(int)
    for seed in range(10):
        hit = np.abs(decode(damage_jpeg(stream, 1e-9, 1, rng(seed)), "JPEG") - clean).max(axis=2) > 0
        rows, columns = (np.flatnonzero(hit.any(axis=axis)) for axis in (1, 0))
        assert np.ptp(rows) <= 17  # chroma is interpolated over the rim
        assert np.ptp(columns) <= 129


def test_a_damaged_jpeg2000_stream_keeps_its_headers(photo: Pixels) -> None:
    stream = encode_jpeg2000(photo, 9.6)
    places = np.concatenate(
        [wrong(stream, damage_jpeg2000(stream, 0.05, 20, rng(seed))) for seed in range(5)]
    )
    start = stream.index(b"\xff\x93") + 2
    assert start <= places.min() // 8 < start + 40
    assert len(stream) - 40 < places.max() // 8 < len(stream) - 2  # the end marker stays


@pytest.mark.parametrize("name", TYPES)
def test_damage_is_seen_and_repeats_itself(name: str, photo: Pixels) -> None:
    for level in range(1, 6):
        first, again = (make_distorted(photo, Step(name, level), image_id="a") for _ in range(2))
        np.testing.assert_array_equal(first.pixels, again.pixels)
        assert first.redraws == again.redraws < 99
        assert 5 < first.psnr < 40
        assert first.psnr != make_distorted(photo, Step(name, level), image_id="b").psnr
    assert not ImageFile.LOAD_TRUNCATED_IMAGES  # what cannot be decoded is drawn again, not painted over


@pytest.mark.parametrize("name", TYPES)
def test_levels_get_worse_on_average(name: str, photo: Pixels) -> None:
    found = [
        np.mean([psnr(distort(photo, name, level=level, image_id=str(i)), photo) for i in range(12)])
        for level in (1, 3, 5)
    ]
    assert found == sorted(found, reverse=True)
    assert found[0] > 23
    assert found[-1] < 22


def test_streams_that_cannot_be_decoded_are_drawn_again_and_counted(photo: Pixels) -> None:
    stream = encode_jpeg2000(photo, 9.6)
    draws = [b"no stream", stream, damage_jpeg2000(stream, 0.01, 20, rng(1)), b"never asked for"]
    found = _received(photo, stream, "JPEG2000", iter(draws).__next__)
    assert isinstance(found, Redrawn)
    assert found.redraws == 2  # one cannot be decoded, one shows nothing
    np.testing.assert_array_equal(found.pixels, decode(draws[2], "JPEG2000"))
    with pytest.raises(EyechartError, match="could be decoded in 100 draws"):
        _received(photo, stream, "JPEG2000", lambda: b"no stream")


def test_an_image_on_which_nothing_shows_ends_after_a_hundred_draws() -> None:
    dot = np.full((1, 1, 3), 99, np.uint8)
    for name in TYPES:
        made = find(name).make(dot, 1e-5, rng(1))
        assert isinstance(made, Redrawn)
        assert made.pixels.shape == dot.shape
        assert 0 <= made.redraws < 100
