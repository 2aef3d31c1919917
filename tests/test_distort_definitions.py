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
