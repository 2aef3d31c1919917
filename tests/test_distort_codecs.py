"""Compression: the streams are what they should be, and other decoders read the same pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from eyechart.distort import Pixels, distort, find, psnr
from eyechart.distort.codecs import decode, encode, encode_jpeg2000
from eyechart.errors import EyechartError


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from eyechart.corpora.photos import packaged_photos, read_photo

    return np.ascontiguousarray(read_photo(packaged_photos()[3].path)[100:292, 120:376])


def other_decoder(stream: bytes) -> Pixels:
    found = cv2.imdecode(np.frombuffer(stream, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return np.ascontiguousarray(found[..., ::-1])


@pytest.mark.parametrize("quality", [1, 4, 24, 43, 100])
@pytest.mark.parametrize("size", [(192, 256), (61, 75), (1, 9)])
def test_jpeg_is_that_of_another_coder(photo: Pixels, quality: int, size: tuple[int, int]) -> None:
    image = photo[: size[0], : size[1]]
    stream = encode(image, "JPEG", quality=quality, subsampling="4:2:0")
    np.testing.assert_array_equal(distort(image, "jpeg", severity=quality), decode(stream, "JPEG"))


@pytest.mark.parametrize("ratio", [8.0, 16.0, 45.0, 120.0])
def test_jpeg2000_has_its_ratio_wavelet_and_colour_transform(photo: Pixels, ratio: float) -> None:
    stream = encode_jpeg2000(photo, ratio)
    assert photo.size / len(stream) == pytest.approx(ratio, rel=0.05)
    style = stream.index(b"\xff\x52")  # coding style: length 2, style 1, order 1, layers 2, transform 1, ...
    assert stream[style + 5] == 0  # layer, resolution, component, position
    assert stream[style + 8] == 1  # several components are transformed
    assert stream[style + 9] == 5  # halvings
    assert stream[style + 13] == 0  # 9/7, irreversible
    np.testing.assert_array_equal(distort(photo, "jpeg2000", severity=ratio), other_decoder(stream))


def test_the_colour_transform_saves_bits(photo: Pixels) -> None:
    options = {"no_jp2": True, "irreversible": True, "quality_mode": "rates", "quality_layers": [32.0]}
    without = decode(encode(photo, "JPEG2000", **options), "JPEG2000")
    assert psnr(distort(photo, "jpeg2000", severity=32.0), photo) > psnr(without, photo) + 0.3


def test_webp_and_avif_are_read_alike_by_another_decoder(photo: Pixels) -> None:
    webp = encode(photo, "WEBP", quality=20, method=4)
    np.testing.assert_array_equal(distort(photo, "webp", severity=20), other_decoder(webp))
    avif = encode(photo, "AVIF", quality=25, subsampling="4:2:0", speed=10, max_threads=1)
    ours = distort(photo, "avif", severity=25).astype(int)
    assert np.abs(ours - other_decoder(avif)).mean() < 1.5  # chroma is interpolated by another filter
    assert b"ftypavif" in avif[:32]


def test_noisy_compression_is_noise_and_then_a_coarse_quantiser(photo: Pixels) -> None:
    flat = np.full((128, 128, 3), 128, np.uint8)
    made = distort(flat, "noisy_compression", severity=0.01).astype(float) - 128
    assert 0.5 < made.std() < 0.4 * 25.5  # most noise is below the quantiser, some passes
    assert abs(made.mean()) < 1
    blocks = np.abs(np.diff(made[..., 1], axis=1)).mean(axis=0)
    assert blocks[7::8].mean() > 2 * np.delete(blocks, slice(7, None, 8)).mean() - 1
    assert psnr(distort(photo, "noisy_compression", severity=0.01), photo) < 27


def test_a_codec_that_cannot_hold_an_image_says_so() -> None:
    with pytest.raises(EyechartError, match="WEBP cannot hold an image of 20000 x 2 pixels"):
        distort(np.zeros((2, 20_000, 3), np.uint8), "webp", level=1)


def test_a_damaged_stream_is_an_error_and_not_a_grey_image(photo: Pixels) -> None:
    stream = encode(photo, "JPEG", quality=50)
    with pytest.raises(OSError, match="truncated"):
        decode(stream[: len(stream) // 2], "JPEG")
    with pytest.raises(OSError, match="identify"):
        decode(stream, "JPEG2000")


def test_levels_are_those_published() -> None:
    jpeg, jpeg2000 = find("jpeg"), find("jpeg2000")
    assert jpeg.levels["depictqa"] == (25, 18, 12, 8, 5)
    assert jpeg.levels["imagenet_c"] == (25, 18, 15, 10, 7)
    assert jpeg2000.targets["depictqa"] == (29, 27.5, 26, 24.5, 23)
    bits = [24 / ratio for ratio in jpeg2000.ranges["live"]]
    assert bits == pytest.approx([3.15, 0.028], rel=0.005)
