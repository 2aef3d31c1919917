"""Tone curves and low light against their definitions and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.interpolate import BarycentricInterpolator

from eyechart.distort import Pixels, distort, registry
from eyechart.distort.brightness import _READ, _SHOT

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")

CODES = np.arange(256)
RAMP = np.repeat(CODES.astype(np.uint8)[None, :, None], 3, axis=2)
OURS = sorted(name for name, found in registry().items() if found.family in ("brightness", "contrast"))


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()
    return image


def test_the_levels_are_the_published_ones_in_their_order() -> None:
    published = {
        "brighten": (0.1, 0.2, 0.4, 0.7, 1.1),
        "darken": (0.05, 0.1, 0.2, 0.4, 0.8),
        "mean_shift": (0.15, 0.08, 0, -0.08, -0.15),
        "contrast_change": (0.3, 0.15, 0, -0.4, -0.6),
    }
    for name, levels in published.items():
        assert registry()[name].levels["kadid10k"] == levels
    assert set(OURS) == {*published, "gamma", "low_light", "contrast_scale"}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1)])
def test_tiny_images_work_and_are_not_modified(name: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = image.copy()
    for level in (1, 5):
        assert distort(image, name, level=level).shape == image.shape
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", OURS)
def test_what_is_said_to_change_nothing_changes_nothing(photo: Pixels, name: str) -> None:
    spec = registry()[name].severity
    if spec.identity is None:
        assert name == "low_light"
        return
    np.testing.assert_array_equal(distort(photo, name, severity=spec.identity[0]), photo)
    for severity in (spec.identity[0] + 0.05, spec.identity[0] - 0.05):
        if spec.low <= severity <= spec.high:
            assert (distort(photo, name, severity=severity) != photo).any()


@pytest.mark.parametrize("amount", [0.05, 0.4, 0.8])
def test_darkening_is_the_parabola_through_three_points(amount: float) -> None:
    curve = BarycentricInterpolator([0, 0.5, 1], [0, 0.5 - amount / 2, 1])(CODES / 255)
    expected = 255 * np.clip(curve, 0, 1)
    assert np.abs(distort(RAMP, "darken", severity=amount)[0, :, 0] - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("amount", [0.1, 0.4, 1.1])
@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_brightening_is_two_parts_rgb_and_one_part_lightness(photo: Pixels, amount: float) -> None:
    from skimage.color import lab2rgb, rgb2lab

    curve = BarycentricInterpolator([0, 0.5, 1], [0, 0.5 + amount / 2, 1])
    lab = rgb2lab(photo)
    lab[..., 0] = 100 * np.clip(curve(lab[..., 0] / 100), 0, 1)
    expected = 255 * (2 * np.clip(curve(photo / 255), 0, 1) + lab2rgb(lab)) / 3
    difference = np.abs(distort(photo, "brighten", severity=amount) - expected)
    assert np.percentile(difference, 99.9) < 1.0
    swapped = distort(photo[..., ::-1], "brighten", severity=amount)[..., ::-1]
    assert np.percentile(np.abs(swapped - expected), 99.9) > 2.0  # red and blue weigh differently in L


@pytest.mark.parametrize("amount", [0.3, 0.15, 0.0, -0.4, -0.6])
def test_contrast_is_the_curve_through_five_points(amount: float) -> None:
    points = [0, 0.25 - amount / 4, 0.5, 0.75 + amount / 4, 1]
    curve = BarycentricInterpolator([0, 0.3, 0.5, 0.7, 1], points)(CODES / 255)
    found = distort(RAMP, "contrast_change", severity=amount)[0, :, 0]
    assert np.abs(found - 255 * np.clip(curve, 0, 1)).max() <= 0.5 + 1e-6
    steeper = found[180] - found[75] > 105
    assert steeper == (amount > -0.2)


@pytest.mark.parametrize("shift", [0.15, 0.08, -0.08, -0.35])
def test_the_mean_is_shifted_and_rounded_not_truncated(shift: float) -> None:
    found = distort(RAMP, "mean_shift", severity=shift)[0, :, 0]
    np.testing.assert_array_equal(found, np.clip(CODES + round(255 * shift), 0, 255))


@pytest.mark.parametrize("exponent", [0.3, 0.8, 1.4, 3.2])
def test_gamma_is_that_of_scikit_image(exponent: float) -> None:
    from skimage.exposure import adjust_gamma

    expected = 255 * adjust_gamma(CODES / 255, exponent)
    found = distort(RAMP, "gamma", severity=exponent)[0, :, 0]
    assert np.abs(found - expected).max() <= 0.5 + 1e-6
    assert abs((found - expected).mean()) < 0.05  # truncation would lower the mean by one half


@pytest.mark.parametrize("factor", [0.2, 0.75, 1.4, 2.6])
def test_contrast_about_the_mean_is_that_of_pillow(photo: Pixels, factor: float) -> None:
    mean = np.array(Image.fromarray(photo).convert("L")).mean()
    found = distort(photo, "contrast_scale", severity=factor)
    assert np.abs(found - np.clip(mean + factor * (photo - mean), 0, 255)).max() <= 0.6
    other = np.array(ImageEnhance.Contrast(Image.fromarray(photo)).enhance(factor))
    assert np.abs(found.astype(int) - other).max() <= 2  # Pillow rounds the mean, and truncates the result


def test_tid2013_has_its_psnr_and_both_signs_of_contrast(photo: Pixels) -> None:
    from eyechart.distort import psnr
    from eyechart.distort.make import Step, make_distorted

    small = photo[:200, :200]
    for level, target in enumerate((33, 30, 27, 24, 21), start=1):
        made = make_distorted(small, Step("contrast_scale", level=level, corpus="tid2013"))
        assert psnr(made.pixels, small) == pytest.approx(target, abs=0.1)
        assert made.direction == (-1 if level % 2 else 1)
        weakened = make_distorted(small, Step("saturation_ycbcr", level=level, corpus="tid2013"))
        assert weakened.direction == -1


@pytest.mark.parametrize("stops", [1.0, 3.0])
def test_low_light_is_less_light_with_the_noise_of_a_sensor(stops: float) -> None:
    flat = np.full((300, 300, 3), 160, np.uint8)
    found = _light(distort(flat, "low_light", severity=stops) / 255)
    light = _light(np.array(160 / 255)) / 2**stops
    assert found.mean() == pytest.approx(light, rel=0.01)
    assert found.var() == pytest.approx(_SHOT * light + _READ, rel=0.03)
    correlation = np.corrcoef(found.reshape(-1, 3).T)
    assert np.abs(correlation - np.eye(3)).max() < 0.02


def test_the_sensor_lies_within_the_published_range() -> None:
    assert 1e-4 < _SHOT < 0.012
    assert np.log(_READ) == pytest.approx(2.18 * np.log(_SHOT) + 1.2)


def _light(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
