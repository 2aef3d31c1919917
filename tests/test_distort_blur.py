"""Blurs against plain computations of their definitions."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from eyechart.distort import Pixels, distort, find, psnr
from eyechart.distort.glass import shuffled
from eyechart.distort.kernels import disk, filtered, hard_disk, line
from eyechart.distort.registry import Reals
from eyechart.distort.smooth import smoothed

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")

KADID10K = Path(__file__).parents[2] / "shared/data/kadid10k/samples/images"
BLURS = ("gaussian_blur", "lens_blur", "defocus_blur", "motion_blur", "glass_blur", "zoom_blur")


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()[:200, 100:330]
    return image


def test_levels_are_those_published() -> None:
    assert find("gaussian_blur").levels == {
        "kadid10k": (0.1, 0.5, 1, 2, 5),
        "depictqa": (1, 2, 3, 4, 5),
        "imagenet_c": (1, 2, 3, 4, 6),
    }
    assert find("lens_blur").levels == {"kadid10k": (1, 2, 4, 6, 8)}
    assert find("motion_blur").levels == {"kadid10k": (1, 2, 4, 6, 10)}
    assert find("defocus_blur").levels == {"imagenet_c": (3, 4, 6, 8, 10)}


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 2.0, 5.0, 20.0])
def test_gaussian_blur_is_that_of_scipy(photo: Pixels, sigma: float) -> None:
    other = _gaussian(photo, sigma)
    np.testing.assert_allclose(smoothed(photo, sigma), other, atol=3e-4)
    assert np.abs(distort(photo, "gaussian_blur", severity=sigma) - other).max() <= 0.5 + 1e-5


@pytest.mark.parametrize("sigma", [1.0, 2.0, 6.0])
def test_gaussian_blur_rounds_rightly_where_all_lies_half_way(sigma: float) -> None:
    rows, columns = np.mgrid[:60, :70]
    between = np.repeat((100 + (rows + columns) % 2).astype(np.uint8)[..., None], 3, axis=2)
    blurred = distort(between, "gaussian_blur", severity=sigma)
    assert np.abs(blurred - _gaussian(between, sigma)).max() <= 0.5 + 1e-5


@pytest.mark.skipif(not KADID10K.exists(), reason="the sample images of KADID-10k are not here")
def test_gaussian_blur_reproduces_kadid10k() -> None:
    reference, published = (np.array(Image.open(KADID10K / name)) for name in ("I01.png", "I01_01_05.png"))
    made = distort(reference[..., :3], "gaussian_blur", level=5, stretch=True)
    assert psnr(made, published[..., :3]) > 55


@pytest.mark.parametrize("kernel", [disk(1.0), disk(6.0), disk(17.3), line(31.0, 0.4), hard_disk(10.0, 0.5)])
def test_filters_are_exact_sums_of_whole_weights(photo: Pixels, kernel: Reals) -> None:
    small = photo[:50, :41]
    found = filtered(small, kernel)
    sums = found.astype(np.float64) * 65536
    np.testing.assert_array_equal(sums, np.rint(sums))
    other = ndimage.correlate(small.astype(float), kernel[..., None], mode="nearest")
    np.testing.assert_allclose(found, other, atol=0.1)


@pytest.mark.parametrize("radius", [1.0, 2.0, 2.6, 4.0, 6.0, 8.0])
def test_the_disk_weighs_pixels_by_the_area_inside(radius: float) -> None:
    kernel = disk(radius)
    side, fine = len(kernel), 200
    places = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = (places[:, None] ** 2 + places[None, :] ** 2 <= radius**2).astype(float)
    area = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    assert area.sum() == pytest.approx(np.pi * radius**2, rel=1e-3)  # nothing of the disk lies outside
    assert np.abs(kernel - area / area.sum()).sum() < 0.003  # a port of it is wrong by up to 0.97


@pytest.mark.parametrize(("radius", "softness"), [(3, 0.1), (4, 0.5), (6, 0.5), (10, 0.5)])
def test_the_hard_disk_is_that_of_imagenet_c(radius: int, softness: float) -> None:
    reach = 8 if radius <= 8 else radius
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = np.pad((down**2 + right**2 <= radius**2).astype(float), 2)
    other = cv2.GaussianBlur(inside / inside.sum(), 2 * (3 if radius <= 8 else 5,), softness)
    kernel = hard_disk(radius, softness)
    rim = (len(other) - len(kernel)) // 2
    np.testing.assert_allclose(np.pad(kernel, rim), other, atol=1e-6)


def test_the_line_is_one_pixel_wide_and_as_long_as_asked() -> None:
    np.testing.assert_array_equal(line(1.0, 0.7), [[1.0]])
    np.testing.assert_allclose(line(5.0, 0.0)[2], np.full(5, 0.2), atol=1e-12)
    np.testing.assert_allclose(line(5.0, np.pi / 2)[:, 2], np.full(5, 0.2), atol=1e-12)
    rising = line(9.0, np.pi / 4)  # angles turn against the clock, as in MATLAB
    assert rising[0, -1] + rising[1, -2] > 0
    assert rising[0, 0] == 0


def test_motion_takes_any_angle() -> None:
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    angles = []
    for seed in range(24):
        weights = distort(point, "motion_blur", severity=21.0, seed=seed)[..., 0].astype(float)
        down, right = np.nonzero(weights)
        spread = np.cov(down, right)
        angles.append(np.degrees(np.arctan2(*np.linalg.eigh(spread)[1][:, 1])) % 180)
    assert len(np.unique(np.round(angles))) > 18
    assert max(np.histogram(angles, bins=4, range=(0, 180))[0]) < 15  # not the axes alone


@pytest.mark.parametrize("name", BLURS)
def test_small_images_are_blurred_too(name: str) -> None:
    draw = np.random.default_rng(4)
    for shape in ((1, 1), (1, 9), (32, 32), (5, 3)):
        image = draw.integers(0, 256, (*shape, 3), dtype=np.uint8)
        before = image.copy()
        for level in (1, 5):
            assert distort(image, name, level=level).shape == image.shape
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", BLURS)
def test_blurs_keep_the_mean(photo: Pixels, name: str) -> None:
    flat = np.full((30, 31, 3), 117, np.uint8)
    np.testing.assert_array_equal(distort(flat, name, level=4), flat)
    noise = np.random.default_rng(0).integers(60, 196, (300, 300, 3), dtype=np.uint8)
    bias = distort(noise, name, level=3).mean(dtype=float) - noise.mean(dtype=float)
    assert abs(bias) < 0.25  # cutting decimals off instead of rounding takes half a grey level


@pytest.mark.parametrize("shift", [1.0, 2.0, 4.5])
def test_glass_loses_no_pixel_and_does_not_drift(shift: float) -> None:
    rows, columns = np.mgrid[:90, :120].astype(np.uint8)
    image = np.stack([rows, columns, np.zeros_like(rows)], axis=-1)
    moved = shuffled(image, shift, np.random.default_rng(1))
    assert len(np.unique(moved.reshape(-1, 3), axis=0)) == 90 * 120
    steps = moved.astype(int) - image
    assert np.abs(steps).max() <= 2 * shift + 1
    assert np.abs(steps.mean(axis=(0, 1))).max() < 0.03
    uniform = np.sqrt(((2 * shift + 1) ** 2 - 1) / 12)  # of whole steps from -shift to shift
    np.testing.assert_allclose(steps[..., :2].std(axis=(0, 1)), uniform, rtol=0.25)


def test_zoom_is_the_mean_of_zoomed_copies() -> None:
    image = ndimage.gaussian_filter(np.random.default_rng(5).uniform(0, 255, (31, 40, 3)), (1, 1, 0))
    image = np.rint(2 * (image - 128) + 128).clip(0, 255)
    down, right = np.mgrid[:31, :40].astype(float)
    copies = []
    for zoom in np.linspace(1, 1.2, 21):
        places = [15 + (down - 15) / zoom, 19.5 + (right - 19.5) / zoom]
        copies.append(
            np.stack([ndimage.map_coordinates(image[..., c], places, order=1) for c in range(3)], -1)
        )
    zoomed = distort(image.astype(np.uint8), "zoom_blur", severity=1.2)
    assert np.abs(zoomed - np.mean(copies, axis=0)).max() < 1.0


def _gaussian(image: Pixels, sigma: float) -> NDArray[np.float64]:
    reach = int(np.ceil(2 * sigma))
    blurred: NDArray[np.float64] = ndimage.gaussian_filter(
        image.astype(float), (sigma, sigma, 0), mode="nearest", radius=(reach, reach, 0)
    )
    return blurred
