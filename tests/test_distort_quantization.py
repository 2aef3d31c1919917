"""Quantization against scikit-image, exhaustive search, and a real picture of KADID-10k."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from eyechart.distort import Pixels, distort, registry
from eyechart.distort.otsu import thresholds
from eyechart.distort.palette import palette

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")

SAMPLES = Path(__file__).parents[2] / "shared/data/kadid10k/samples/images"
OURS = sorted(name for name, found in registry().items() if found.family == "quantization")


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()[::2, ::2].copy()
    return image


def test_the_levels_are_the_published_ones() -> None:
    assert registry()["quantization"].levels["kadid10k"] == (20, 16, 13, 10, 7)
    assert registry()["color_quantization"].levels["kadid10k"] == (64, 48, 32, 16, 8)
    assert OURS == ["banding", "color_quantization", "posterization", "quantization"]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (2, 3)])
def test_tiny_images_work_and_are_not_modified(name: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = image.copy()
    for level in (1, 5):
        assert distort(image, name, level=level).shape == image.shape
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_thresholds_are_those_of_scikit_image(photo: Pixels, classes: int) -> None:
    from skimage.filters import threshold_multiotsu

    counts = np.bincount(photo.ravel(), minlength=256)
    found = thresholds(counts, classes - 1)
    other = threshold_multiotsu(photo.ravel(), classes, nbins=256)
    assert np.abs(found - other).max() <= 1  # it sums in float32, so near the best it picks another
    assert _variance_within(counts.tolist(), tuple(found)) <= _variance_within(counts.tolist(), tuple(other))


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(0, 30), min_size=4, max_size=9), number=st.integers(1, 3))
def test_no_other_thresholds_are_better(counts: list[int], number: int) -> None:
    found = thresholds(np.array(counts), number)
    assert len(found) == number
    assert (np.diff([-1, *found, len(counts) - 1]) > 0).all()
    best = min(_variance_within(counts, trial) for trial in combinations(range(len(counts) - 1), number))
    assert _variance_within(counts, tuple(found)) == pytest.approx(best, abs=1e-6)


def _variance_within(counts: list[int], found: tuple[int, ...]) -> float:
    total, start = 0.0, 0
    for end in (*found, len(counts) - 1):
        values = np.repeat(np.arange(start, end + 1), counts[start : end + 1])
        total += values.var() * values.size if values.size else 0.0
        start = end + 1
    return total


@pytest.mark.parametrize("number", [1, 7, 20])
def test_classes_take_zero_their_upper_thresholds_and_white(photo: Pixels, number: int) -> None:
    found = thresholds(np.bincount(photo.ravel(), minlength=256), number)
    expected = np.zeros_like(photo)
    for lower, upper in zip(found, [*found[1:], 255], strict=True):  # the plain definition
        expected[photo > lower] = upper
    quantized = distort(photo, "quantization", severity=number)
    np.testing.assert_array_equal(quantized, expected)
    assert len(np.unique(quantized)) == number + 1


def test_thresholds_follow_the_values_of_all_channels_together() -> None:
    image = np.zeros((30, 30, 3), np.uint8)
    image[:, :, 0] = 10
    image[:, 10:, 1] = 20
    image[:, :, 2] = 200
    quantized = distort(image, "quantization", severity=2)  # equally wide bins would not part 10 from 20
    assert [np.unique(quantized[..., channel]).tolist() for channel in range(3)] == [[0], [0, 20], [255]]


def test_a_palette_of_least_variance_is_better_than_median_cut(photo: Pixels) -> None:
    for number in (8, 32):
        ours = palette(photo, number)
        quantized = Image.fromarray(photo).quantize(number, Image.Quantize.MEDIANCUT)
        other = np.array(quantized.getpalette(), np.uint8).reshape(-1, 3)[:number]
        assert len(np.unique(ours, axis=0)) == number
        assert _error(photo, ours) < 0.9 * _error(photo, other)


def _error(image: Pixels, colors: Pixels) -> float:
    pixels = image.reshape(-1, 1, 3).astype(float)
    return float(((pixels - colors[None]) ** 2).sum(axis=2).min(axis=1).mean())


def test_an_image_of_few_colours_keeps_them() -> None:
    few = np.array([[250, 0, 0], [0, 120, 30], [7, 7, 7], [255, 255, 255]], np.uint8)
    image = few[np.random.default_rng(2).integers(0, 4, (40, 50))]
    assert sorted(palette(image, 16).tolist()) == sorted(few.tolist())
    np.testing.assert_array_equal(distort(image, "color_quantization", severity=16), image)


def test_dither_keeps_the_colours_on_average() -> None:
    ramp = np.linspace(0, 255, 600)[None, :, None] * np.ones((48, 1, 3))
    dithered = distort(ramp.astype(np.uint8), "color_quantization", severity=2)
    (dark, bright), often = np.unique(dithered[..., 0], return_counts=True)
    assert often.min() > 0.45 * ramp[..., 0].size
    between = (ramp[0, :, 0] > dark + 5) & (ramp[0, :, 0] < bright - 5)
    columns = ndimage.uniform_filter1d(dithered[..., 0].mean(axis=0), 15)
    assert np.abs(columns - ramp[0, :, 0])[between].max() < 8  # the nearest colour would be 64 levels off


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs KADID-10k's sample pictures in ../shared")
def test_few_colours_look_as_in_kadid10k() -> None:
    from skimage.metrics import structural_similarity

    reference = np.array(Image.open(SAMPLES / "I01.png").convert("RGB"))
    real = np.array(Image.open(SAMPLES / "I01_06_05.png").convert("RGB"))
    ours = distort(reference, "color_quantization", level=5, stretch=True)
    assert len(np.unique(ours.reshape(-1, 3), axis=0)) == len(np.unique(real.reshape(-1, 3), axis=0)) == 8
    smooth = [ndimage.gaussian_filter(made.astype(float), (4, 4, 0)) for made in (ours, real)]
    assert np.abs(smooth[0] - smooth[1]).mean() < 5  # the same colours on average: the dither differs
    likeness = structural_similarity(ours, real, channel_axis=2)
    assert likeness > 0.4
    for name in ("quantization", "posterization"):
        other = distort(reference, name, level=4, stretch=True)
        assert structural_similarity(other, real, channel_axis=2) < likeness


@pytest.mark.parametrize("bits", [1, 2, 5, 8])
def test_posterization_rounds_to_evenly_spaced_values(bits: int) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    values = np.linspace(0, 255, 2**bits)
    expected = values[np.abs(values[None, :] - np.arange(256)[:, None]).argmin(axis=1)]
    found = distort(ramp, "posterization", severity=bits)[0, :, 0]
    assert np.abs(found - expected).max() <= 0.5 + 1e-6
    assert abs(found.mean() - 127.5) < 0.01  # cutting off the lower bits would darken


@pytest.mark.parametrize("tones", [4, 8, 16])
def test_a_smooth_gradient_falls_into_bands(tones: int) -> None:
    slope = np.linspace(0, 255, 1000)
    gradient = np.repeat(np.repeat(np.rint(slope).astype(np.uint8)[None, :, None], 20, axis=0), 3, axis=2)
    banded = distort(gradient, "banding", severity=tones)[10, :, 1].astype(int)
    levels, often = np.unique(banded, return_counts=True)
    assert often[np.argsort(often)[-tones:]].sum() > 0.7 * banded.size
    expected = np.rint(np.linspace(0, 255, tones))
    common = np.sort(levels[np.argsort(often)[-tones:]])
    np.testing.assert_allclose(common, expected, atol=2)


def test_texture_hides_bands_and_flat_white_stays() -> None:
    draw = np.random.default_rng(3)
    texture = np.clip(draw.normal(100, 25, (80, 80, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
    assert np.abs(distort(texture, "banding", severity=16).astype(int) - texture).max() <= 1
    for value in (0, 255):
        flat = np.full((40, 40, 3), value, np.uint8)
        np.testing.assert_array_equal(distort(flat, "banding", severity=6), flat)
    grey = np.full((40, 40, 3), 100, np.uint8)
    assert set(np.unique(distort(grey, "banding", severity=6))) == {102}
    np.testing.assert_array_equal(distort(texture, "banding", severity=256), texture)
