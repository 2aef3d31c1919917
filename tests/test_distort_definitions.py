"""Each distortion against an independent computation of its definition."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from eyechart.distort import Pixels, distort
from eyechart.distort.blur import disk, line
from eyechart.distort.spatial import _fetch

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()
    return image


def test_gaussian_blur_is_that_of_scipy(photo: Pixels) -> None:
    for sigma in (1.0, 2.0, 5.0):
        reach = int(np.ceil(2 * sigma))
        blurred = ndimage.gaussian_filter(
            photo.astype(float), (sigma, sigma, 0), mode="nearest", radius=(reach, reach, 0)
        )
        assert np.abs(distort(photo, "gaussian_blur", severity=sigma) - blurred).max() <= 0.5 + 1e-6


def test_blurs_are_convolutions_with_their_kernels(photo: Pixels) -> None:
    small = photo[:80, :90]
    blurred = ndimage.convolve(small.astype(float), disk(4.0)[..., None], mode="nearest")
    assert np.abs(distort(small, "lens_blur", severity=4.0) - blurred).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("radius", [1.0, 2.0, 2.6, 8.0])
def test_the_disk_weighs_pixels_by_the_area_inside(radius: float) -> None:
    kernel = disk(radius)
    side, fine = len(kernel), 200
    places = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = (places[:, None] ** 2 + places[None, :] ** 2 <= radius**2).astype(float)
    area = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    assert area.sum() == pytest.approx(np.pi * radius**2, rel=1e-3)  # nothing of the disk lies outside
    np.testing.assert_allclose(kernel, area / area.sum(), atol=2e-4)


def test_the_line_is_one_pixel_wide_and_as_long_as_asked() -> None:
    np.testing.assert_array_equal(line(1.0, 0.7), [[1.0]])
    np.testing.assert_allclose(line(5.0, 0.0)[2], np.full(5, 0.2), atol=1e-12)
    np.testing.assert_allclose(line(5.0, np.pi / 2)[:, 2], np.full(5, 0.2), atol=1e-12)
    rising = line(9.0, np.pi / 4)  # angles turn against the clock, as in MATLAB
    assert rising[0, -1] + rising[1, -2] > 0
    assert rising[0, 0] == 0


@pytest.mark.parametrize("variance", [0.001, 0.01])
def test_white_noise_has_its_variance(variance: float) -> None:
    from skimage.util import random_noise

    grey = np.full((300, 300, 3), 128, np.uint8)
    found = np.var(distort(grey, "white_noise", severity=variance) / 255.0)
    other = np.var(random_noise(grey, "gaussian", rng=1, var=variance))
    assert found == pytest.approx(other + 1 / 12 / 255**2, rel=0.02)


def test_color_noise_has_equal_variance_in_luma_and_chroma() -> None:
    grey = np.full((300, 300, 3), 128, np.uint8)
    noisy = distort(grey, "color_noise", severity=0.003)
    weights = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    variances = np.var(noisy / 255.0 @ weights.T, axis=(0, 1))
    np.testing.assert_allclose(variances, 0.003, rtol=0.03)


def test_impulses_hit_single_values_with_either_sign() -> None:
    grey = np.full((400, 400, 3), 128, np.uint8)
    noisy = distort(grey, "impulse_noise", severity=0.02)
    assert (noisy == 0).mean() == pytest.approx(0.01, rel=0.1)
    assert (noisy == 255).mean() == pytest.approx(0.01, rel=0.1)
    assert set(np.unique(noisy)) == {0, 128, 255}
    assert ((noisy != 128).sum(axis=2) > 1).mean() < 0.002  # channels are hit one by one


@pytest.mark.parametrize("value", [60, 120, 180])
def test_multiplicative_noise_grows_with_the_value(value: int) -> None:
    flat = np.full((300, 300, 3), value, np.uint8)
    noisy = distort(flat, "multiplicative_noise", severity=0.02).astype(float)
    assert noisy.std() == pytest.approx(value * np.sqrt(0.02), rel=0.02)
    assert np.abs(noisy - value).max() <= value * np.sqrt(0.06) + 1  # uniform, not Gaussian


@pytest.mark.parametrize("factor", [0.4, 0.1, 0.0])
def test_saturation_is_that_of_scikit_image_hsv(photo: Pixels, factor: float) -> None:
    from skimage.color import hsv2rgb, rgb2hsv

    hsv = rgb2hsv(photo)
    hsv[..., 1] *= factor
    other = hsv2rgb(hsv) * 255
    assert np.abs(distort(photo, "saturation_hsv", severity=factor) - other).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("factor", [0.5, 1.5])
@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")  # it clips some colours earlier than on return
def test_saturation_is_that_of_scikit_image_lab(photo: Pixels, factor: float) -> None:
    from skimage.color import lab2rgb, rgb2lab

    lab = rgb2lab(photo)
    lab[..., 1:] *= factor
    difference = np.abs(distort(photo, "saturation_lab", severity=factor) - lab2rgb(lab) * 255)
    assert np.percentile(difference, 99) < 1.0  # their whites differ in the fifth digit


def test_tone_curves_pass_through_their_points() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for amount in (0.05, 0.2, 0.4):
        assert distort(ramp, "darken", severity=amount)[0, 128, 0] == pytest.approx(
            128 - 127.5 * amount, abs=1
        )
        assert distort(ramp, "brighten", severity=amount)[0, 128, 0] == pytest.approx(
            128 + 127.5 * amount, abs=1.5
        )
    for amount in (0.3, 0.0, -0.6):
        curve = distort(ramp, "contrast_change", severity=amount)[0, :, 0] / 255
        for x, y in ((0, 0), (0.3, 0.25 - amount / 4), (0.5, 0.5), (0.7, 0.75 + amount / 4), (1, 1)):
            assert np.interp(x, np.arange(256) / 255, curve) == pytest.approx(y, abs=0.005)


def test_jpeg_is_what_another_decoder_reads(photo: Pixels) -> None:
    stream = BytesIO()
    Image.fromarray(photo).save(stream, "JPEG", quality=24, subsampling="4:2:0")
    other = cv2.imdecode(np.frombuffer(stream.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert other is not None
    np.testing.assert_array_equal(distort(photo, "jpeg", level=3), other[..., ::-1])


def test_jpeg2000_reaches_its_ratio(photo: Pixels) -> None:
    for ratio in (16.0, 120.0):
        stream = BytesIO()
        options = {"no_jp2": True, "irreversible": True, "quality_mode": "rates", "quality_layers": [ratio]}
        Image.fromarray(photo).save(stream, "JPEG2000", **options)
        assert photo.size / len(stream.getvalue()) == pytest.approx(ratio, rel=0.05)
        np.testing.assert_array_equal(
            distort(photo, "jpeg2000", severity=ratio), np.array(Image.open(stream).convert("RGB"))
        )


def test_jitter_moves_pixels_as_far_as_asked() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, axis=0).repeat(3, axis=2)
    moved = distort(ramp, "jitter", severity=1.0).astype(float) - ramp
    inner = moved[20:-20, 20:-20, 0]
    # Five fetches: the last one counts in full, the earlier ones through the mean of the bicubic weights.
    assert 1.0 < inner.std() < np.sqrt(5)
    assert abs(inner.mean()) < 0.1
    assert distort(ramp, "jitter", severity=0.0).tolist() == ramp.tolist()


def test_jitter_fetches_bicubically() -> None:
    image = np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    offsets = np.rint(32 * np.random.default_rng(3).normal(0, 2, (2, 40, 50))).astype(
        np.float32
    ) / np.float32(32)
    fetched = _fetch(image, offsets)
    for row, column in ((0, 0), (0, 49), (39, 0), (20, 30), (7, 5)):
        x, y = column + float(offsets[0, row, column]), row + float(offsets[1, row, column])
        value = np.zeros(3)
        for i in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
            for j in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
                weight = _cubic(x - j) * _cubic(y - i)
                value += weight * image[min(max(i, 0), 39), min(max(j, 0), 49)]
        np.testing.assert_allclose(fetched[row, column], np.clip(value, 0, 255), atol=0.51)


def _cubic(distance: float) -> float:
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0
