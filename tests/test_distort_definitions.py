"""Each distortion against an independent computation of its definition."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from eyechart.distort import Pixels, distort

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()
    return image


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
