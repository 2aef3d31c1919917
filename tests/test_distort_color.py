"""Colour distortions against scikit-image, SciPy and colorsys."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import pytest
from scipy import ndimage

from eyechart.distort import Pixels, distort, registry
from eyechart.distort.colorspace import (
    codes_of_light,
    encoded,
    levels_of,
    lightness,
    roots,
    settled,
    with_lightness_changed,
)
from eyechart.distort.registry import Reals
from eyechart.seeds import rng

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")
pytestmark = pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")  # it clips some colours earlier

OURS = sorted(name for name, found in registry().items() if found.family == "color")


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()
    return image


@pytest.fixture(scope="module")
def colors() -> Pixels:
    """Random colours, half of them dark, where the curve of sRGB is steepest."""
    draw = np.random.default_rng(4)
    image = draw.integers(0, 256, (500, 600, 3), dtype=np.uint8)
    image[::2] = draw.integers(0, 24, (250, 600, 3), dtype=np.uint8)
    return image


def test_the_levels_are_the_published_ones() -> None:
    published = {
        "color_diffusion": (1, 3, 6, 8, 12),
        "color_shift": (1, 3, 6, 8, 12),
        "saturation_hsv": (0.4, 0.2, 0.1, 0, -0.4),
        "saturation_lab": (1, 2, 3, 6, 9),
    }
    for name, levels in published.items():
        assert registry()[name].levels["kadid10k"] == levels
    assert set(OURS) == {*published, "saturation_ycbcr", "chromatic_aberration"}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (9, 1), (2, 3)])
def test_tiny_images_work_and_are_not_modified(name: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    before = image.copy()
    for level in (1, 5):
        assert distort(image, name, level=level).shape == image.shape
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("factor", [0.4, 0.1, 0.0, 3.0, 64.0])
def test_saturation_is_that_of_scikit_image_hsv(photo: Pixels, factor: float) -> None:
    from skimage.color import hsv2rgb, rgb2hsv

    hsv = rgb2hsv(photo)
    hsv[..., 1] = np.minimum(hsv[..., 1] * factor, 1)
    other = hsv2rgb(hsv) * 255
    assert np.abs(distort(photo, "saturation_hsv", severity=factor) - other).max() <= 0.51


@pytest.mark.parametrize("factor", [-0.4, -1.0])
def test_a_negative_saturation_turns_the_hue_around(colors: Pixels, factor: float) -> None:
    small = colors[:20, :20]
    turned = distort(small, "saturation_hsv", severity=factor)
    for pixel, found in zip(small.reshape(-1, 3), turned.reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        expected = np.clip(colorsys.hsv_to_rgb(hue, factor * saturation, value), 0, 1)
        np.testing.assert_allclose(found, 255 * expected, atol=0.51)
    teal = distort(np.full((1, 1, 3), (150, 100, 100), np.uint8), "saturation_hsv", severity=-0.4)
    assert teal.tolist() == [[[150, 170, 170]]]  # an opposite hue, that clipping the factor at 0 would lose


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0])
def test_saturation_is_that_of_scikit_image_lab(photo: Pixels, factor: float) -> None:
    from skimage.color import lab2rgb, rgb2lab

    lab = rgb2lab(photo)
    lab[..., 1:] *= factor
    difference = np.abs(distort(photo, "saturation_lab", severity=factor) - lab2rgb(lab) * 255)
    assert np.percentile(difference, 99) < 1.0  # their whites differ in the fifth digit
    swapped = distort(photo[..., ::-1], "saturation_lab", severity=factor)[..., ::-1]
    assert np.percentile(np.abs(swapped - lab2rgb(lab) * 255), 99) > 5.0  # red and blue are not the same


@pytest.mark.parametrize("factor", [0.0, 0.4, 3.0])
def test_saturation_is_that_of_scikit_image_ycbcr(photo: Pixels, factor: float) -> None:
    from skimage.color import rgb2ycbcr, ycbcr2rgb

    ycbcr = rgb2ycbcr(photo)
    ycbcr[..., 1:] = 128 + factor * (ycbcr[..., 1:] - 128)
    other = np.clip(ycbcr2rgb(ycbcr) * 255, 0, 255)
    assert np.abs(distort(photo, "saturation_ycbcr", severity=factor) - other).max() <= 0.52


def test_a_factor_of_one_changes_nothing(colors: Pixels) -> None:
    for name in ("saturation_hsv", "saturation_lab", "saturation_ycbcr"):
        np.testing.assert_array_equal(distort(colors, name, severity=1.0), colors)


@pytest.mark.parametrize("factor", [0.5, 2.0, 9.0, 20.0])
def test_float32_decides_no_pixel(colors: Pixels, factor: float) -> None:
    stretch = np.array([[factor, 1 - factor, 0], [0, 1, 0], [0, 1 - factor, factor]])
    exact = np.rint(levels_of(cv2.transform(roots(colors), stretch)).astype(np.float32))
    np.testing.assert_array_equal(distort(colors, "saturation_lab", severity=factor), exact)
    careless = settled(
        lambda pixels, real: levels_of(cv2.transform(roots(pixels, real), stretch)), colors, doubt=-1.0
    )
    assert (careless != exact).any()


def test_only_the_lightness_is_changed(photo: Pixels) -> None:
    from skimage.color import lab2rgb, rgb2lab

    lab = rgb2lab(photo)
    np.testing.assert_allclose(lightness(photo), lab[..., 0], atol=1e-3)
    change = np.clip(lab[..., 0] * 0.8 + 5, 0, 100) - lab[..., 0]
    lab[..., 0] += change
    found = with_lightness_changed(photo, change)
    assert np.percentile(np.abs(found - lab2rgb(lab) * 255), 99) < 1.0
    exact = levels_of(roots(photo) + change[..., None] / 116)
    np.testing.assert_array_equal(found, np.rint(exact.astype(np.float32)))


def test_light_gets_the_nearest_code() -> None:
    draw = np.random.default_rng(5)
    values = [*draw.uniform(-0.1, 1.1, 60_000), *draw.uniform(0, 0.01, 39_999), 1.0]
    light = np.array(values, np.float32).reshape(100, -1, 1)
    exact = encoded(light.astype(np.float64))
    codes = codes_of_light(light)
    assert np.abs(codes - exact).max() <= 0.5 + 1e-4
    assert codes.ravel()[-1] == 255


@pytest.mark.parametrize("amount", [1.0, 3.0])
def test_diffusion_blurs_the_colours_of_lab(photo: Pixels, amount: float) -> None:
    from skimage.color import lab2rgb, rgb2lab

    small = photo[::4, ::4]
    sigma, lab = 1.5 * amount + 2, rgb2lab(small)
    reach = int(np.ceil(2 * sigma))
    for channel in (1, 2):
        lab[..., channel] = amount * ndimage.gaussian_filter(
            lab[..., channel], sigma, mode="nearest", radius=reach
        )
    difference = np.abs(distort(small, "color_diffusion", severity=amount) - lab2rgb(lab) * 255)
    assert np.percentile(difference, 98) < 1.0


def test_the_shift_of_green_is_that_of_its_definition(photo: Pixels) -> None:
    small = photo[40:168, 100:260]
    grey = small @ np.array([0.299, 0.587, 0.114])
    edges = ndimage.gaussian_filter(np.hypot(*np.gradient(grey)), 4, mode="nearest", radius=8)
    edges = _spread(np.clip(_spread(edges), 0.1, 1))
    edges = _spread(np.clip(edges, np.percentile(edges, 1), np.percentile(edges, 99)))
    for seed in range(4):
        direction = rng(seed, "distort", "color_shift", "a").random(2)
        down, right = np.round(8 * direction / np.sqrt((direction**2).sum())).astype(int)
        padded = np.pad(small[..., 1].astype(float), 8, mode="symmetric")
        moved = np.roll(padded, (down, right), axis=(0, 1))[8:-8, 8:-8]
        expected = small.astype(float)
        expected[..., 1] = edges * moved + (1 - edges) * small[..., 1]
        found = distort(small, "color_shift", severity=8, seed=seed, image_id="a")
        assert np.abs(found - expected).max() <= 0.51


def test_green_moves_down_and_right_by_the_amount() -> None:
    image = np.full((64, 64, 3), 100, np.uint8)
    image[30, 30] = 255
    moves = []
    for seed in range(30):
        shifted = distort(image, "color_shift", severity=6, seed=seed)
        np.testing.assert_array_equal(shifted[..., ::2], image[..., ::2])  # red and blue stay
        rise = shifted[..., 1].astype(int) - image[..., 1]
        moves.append(np.array(np.unravel_index(rise.argmax(), rise.shape)) - 30)
    assert all(5.2 <= np.hypot(*move) <= 6.8 for move in moves)
    assert np.min(moves) >= 0
    assert (np.max(moves, axis=0) >= 5).all()  # also nearly straight down, and nearly straight right


def test_aberration_moves_red_and_blue_apart_and_leaves_green(photo: Pixels) -> None:
    moved = distort(photo, "chromatic_aberration", severity=3)
    np.testing.assert_array_equal(moved[:, 3:, 0], photo[:, :-3, 0])
    np.testing.assert_array_equal(moved[:, :-3, 2], photo[:, 3:, 2])
    np.testing.assert_array_equal(moved[..., 1], photo[..., 1])
    np.testing.assert_array_equal(distort(photo, "chromatic_aberration", severity=0), photo)


@pytest.mark.parametrize("distance", [0.4, 1.7, 5.3])
def test_aberration_interpolates_a_parabola_exactly(distance: float) -> None:
    def parabola(x: Reals) -> Reals:
        return 20 + 0.02 * (x - 10.0) ** 2

    x = np.arange(100.0)
    make = registry()["chromatic_aberration"].make
    levels = np.rint(parabola(x)).astype(np.uint8)
    image = np.repeat(np.repeat(levels[None, :, None], 2, axis=0), 3, axis=2)
    moved = np.asarray(make(image, distance, np.random.default_rng()))
    inner = slice(12, 88)
    np.testing.assert_allclose(moved[0, inner, 0], parabola(x - distance)[inner], atol=0.75)
    np.testing.assert_allclose(moved[0, inner, 2], parabola(x + distance)[inner], atol=0.75)


def _spread(values: Reals) -> Reals:
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low)
