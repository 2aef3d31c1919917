"""Sharpening and traces of restoration against plain computations and against KADID-10k's own sample."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from eyechart.distort import Pixels, calibrate, distort, find, psnr

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")

KADID10K = Path(__file__).parents[2] / "shared/data/kadid10k/samples/images"


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()[:160, 100:300]
    return image


def test_levels_are_those_published() -> None:
    assert find("sharpen").levels == {"kadid10k": (1, 2, 3, 6, 12)}
    assert find("denoise").levels == {"kadid10k": (0.01, 0.03, 0.05, 0.1, 0.15)}
    for name in ("denoise", "sparse_sampling"):
        assert find(name).targets == {"tid2013": (33, 30, 27, 24, 21)}


@pytest.mark.parametrize("amount", [1.0, 3.0])
@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_sharpen_is_unsharp_masking_of_lightness(photo: Pixels, amount: float) -> None:
    from skimage.color import lab2rgb, rgb2lab

    lab = rgb2lab(photo)
    smooth = ndimage.gaussian_filter(lab[..., 0], 3.0, mode="nearest", radius=6)
    lab[..., 0] = np.clip(lab[..., 0] + amount * (lab[..., 0] - smooth), 0, 100)
    difference = np.abs(distort(photo, "sharpen", severity=amount) - 255 * lab2rgb(lab))
    assert np.percentile(difference, 99) < 1.0  # their whites differ in the fifth digit


def test_sharpen_reaches_six_pixels_from_an_edge() -> None:
    edge = np.full((9, 60, 3), 100, np.uint8)
    edge[:, 30:] = 150
    rim = distort(edge, "sharpen", severity=1.0)[4, :, 0].astype(int) - edge[4, :, 0]
    assert (rim[:24] == 0).all()
    assert (rim[24:30] < 0).all()  # a Laplacian changes one pixel, a standard deviation of 6 px twelve
    assert (rim[30:36] > 0).all()
    assert (rim[36:] == 0).all()


def test_sharpen_lets_colours_be(photo: Pixels) -> None:
    from skimage.color import rgb2lab

    before, after = rgb2lab(photo), rgb2lab(distort(photo, "sharpen", severity=0.5))
    inside = (after[..., 0] > 25) & (after[..., 0] < 75)
    assert np.median(np.abs(after - before)[inside][:, 1:]) < 1.0


def test_denoise_leaves_less_noise_than_it_adds_and_smears(photo: Pixels) -> None:
    flat = np.full((120, 120, 3), 128, np.uint8)
    for variance in (0.01, 0.1):
        left = distort(flat, "denoise", severity=variance) - 128.0
        assert 0.02 < left.std() / (255 * variance**0.5) < 0.4
        beside = np.mean(left[:, 1:] * left[:, :-1]) / left.var()
        assert beside > 0.4  # smooth blotches, not white noise
    assert psnr(distort(photo, "denoise", severity=0.0), photo) == np.inf


@pytest.mark.skipif(not KADID10K.exists(), reason="the sample images of KADID-10k are not here")
def test_denoise_leaves_what_dncnn_leaves() -> None:
    from skimage.metrics import structural_similarity

    reference, published = (
        np.array(Image.open(KADID10K / name).convert("RGB")) for name in ("I01.png", "I01_15_05.png")
    )
    ours = distort(reference, "denoise", level=5)
    assert psnr(ours, reference) == pytest.approx(psnr(published, reference), abs=1.0)
    similar = [structural_similarity(made, reference, channel_axis=2) for made in (ours, published)]
    assert similar[0] == pytest.approx(similar[1], abs=0.07)
    # The power of the residual per octave, as the logarithm to base 10; white noise is off by up to 1.9.
    np.testing.assert_allclose(_spectrum(ours, reference), _spectrum(published, reference), atol=0.2)


def test_sparse_sampling_keeps_some_pixels_and_fills_in_the_rest(photo: Pixels) -> None:
    fidelity = []
    for share in (0.7, 0.3, 0.1, 0.02):
        made = distort(photo, "sparse_sampling", severity=share)
        same = (made == photo).all(axis=2).mean()
        assert share - 0.03 < same < share + 0.2
        fidelity.append(psnr(made, photo))
    assert fidelity == sorted(fidelity, reverse=True)
    nearest = np.where(np.random.default_rng(0).random(photo.shape[:2])[..., None] < 0.3, photo, 128)
    assert fidelity[1] > psnr(nearest.astype(np.uint8), photo) + 8
    assert psnr(distort(photo, "sparse_sampling", severity=1.0), photo) == np.inf


@pytest.mark.parametrize("factor", [2, 4])
def test_downscale_is_an_area_mean_and_bicubic(photo: Pixels, factor: int) -> None:
    height, width = (side // factor for side in photo.shape[:2])
    means = photo.reshape(height, factor, width, factor, 3).astype(float).mean(axis=(1, 3))
    rows, columns = _enlarging(height, factor), _enlarging(width, factor)
    large = np.einsum("ih,jw,hwc->ijc", rows, columns, means, optimize=True).clip(0, 255)
    made = distort(photo, "downscale", severity=float(factor))
    assert np.abs(made - large).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("name", ["sharpen", "denoise", "sparse_sampling", "downscale"])
def test_small_images_are_distorted_too(name: str) -> None:
    draw = np.random.default_rng(4)
    spec = find(name).severity
    for shape in ((1, 1), (1, 40), (33, 2), (9, 7)):
        image = draw.integers(0, 256, (*shape, 3), dtype=np.uint8)
        before = image.copy()
        for severity in (spec.low, (spec.low + spec.high) / 2, spec.high):
            assert distort(image, name, severity=severity).shape == image.shape
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", ["denoise", "sparse_sampling"])
def test_the_levels_of_tid2013_are_reached(photo: Pixels, name: str) -> None:
    for target in (30.0, 24.0):
        assert calibrate(photo, name, psnr=target).psnr == pytest.approx(target, abs=0.1)


def _spectrum(image: Pixels, reference: Pixels) -> NDArray[np.float64]:
    """Return the mean power of the difference in five bands of frequency, as logarithms."""
    window = np.hanning(image.shape[0])[:, None, None] * np.hanning(image.shape[1])[:, None]
    power = (np.abs(np.fft.fft2((image.astype(float) - reference) * window, axes=(0, 1))) ** 2).mean(axis=2)
    frequency = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1]))
    edges = (0.02, 0.05, 0.1, 0.2, 0.35, 0.6)
    return np.array(
        [np.log10(power[(frequency >= low) & (frequency < high)].mean()) for low, high in pairwise(edges)]
    )


def _enlarging(length: int, factor: int) -> NDArray[np.float64]:
    """Return the matrix of bicubic enlargement (Keys, a = -0.75), the border repeated."""
    matrix = np.zeros((length * factor, length))
    for row in range(length * factor):
        place = (row + 0.5) / factor - 0.5
        for near in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            d, a = abs(place - near), -0.75
            weight = (a + 2) * d**3 - (a + 3) * d**2 + 1 if d <= 1 else a * (d**3 - 5 * d**2 + 8 * d - 4)
            matrix[row, min(max(near, 0), length - 1)] += weight
    return matrix
