"""Spatial distortions against plain computations of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from eyechart.distort import Pixels, calibrate, distort, find, psnr
from eyechart.distort.spatial import fetched

skimage = pytest.importorskip("skimage", reason="scikit-image has the photograph")

SPATIAL = ("jitter", "non_eccentricity_patch", "color_block", "local_block", "pixelate")


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()[:384]
    return image


@pytest.fixture(scope="module")
def noise() -> Pixels:
    """Return an image in which every patch is told from every other."""
    return np.random.default_rng(7).integers(0, 256, (150, 170, 3), dtype=np.uint8)


def test_levels_are_those_published() -> None:
    assert find("jitter").levels == {"kadid10k": (0.05, 0.1, 0.2, 0.5, 1)}
    assert find("non_eccentricity_patch").levels == {"kadid10k": (20, 40, 60, 80, 100)}
    assert find("color_block").levels == {"kadid10k": (2, 4, 6, 8, 10)}
    assert find("pixelate").levels == {"kadid10k": (0.01, 0.05, 0.1, 0.2, 0.5)}
    for name in ("non_eccentricity_patch", "local_block"):
        assert find(name).targets == {"tid2013": (33, 30, 27, 24, 21)}


def test_jitter_fetches_bicubically_and_rounds_exactly(noise: Pixels) -> None:
    steps = np.rint(32 * np.random.default_rng(3).normal(0, 2, (150, 170, 2))).astype(np.int16)
    steps[20, 30] = (-48, 16)  # half-way, where bilinear differs most
    rows, columns = np.mgrid[:150, :170]
    x, y = columns + steps[..., 0] / 32, rows + steps[..., 1] / 32
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    value = np.zeros(noise.shape)
    for i in range(-1, 3):
        for j in range(-1, 3):
            weight = _cubic(x - left - j) * _cubic(y - top - i)
            value += weight[..., None] * noise[np.clip(top + i, 0, 149), np.clip(left + j, 0, 169)]
    np.testing.assert_array_equal(fetched(noise, steps), np.rint(value).clip(0, 255))


def test_jitter_reaches_over_the_border_to_either_side() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(1, 60, 1).repeat(20, axis=0).repeat(3, axis=2)
    for step, first, last in ((-400, 0, 59 - 12.5), (400, 12.5, 59)):
        moved = fetched(image, np.full((20, 60, 2), step, np.int16))
        assert moved[0, 0, 0] == pytest.approx(first, abs=0.6)
        assert moved[19, 59, 2] == pytest.approx(last, abs=0.6)


def test_jitter_moves_pixels_as_far_as_asked() -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 200, axis=0).repeat(3, axis=2)
    for image in (ramp, ramp.transpose(1, 0, 2)):
        moved = distort(image, "jitter", severity=1.0).astype(float) - image
        inner = moved[20:-20, 20:-20, 0]
        # Five fetches: the last one counts in full, the earlier ones through the mean of the bicubic weights.
        assert 1.0 < inner.std() < np.sqrt(5)
        assert abs(inner.mean()) < 0.1
    np.testing.assert_array_equal(distort(ramp, "jitter", severity=0.0), ramp)


def test_a_patch_is_a_copy_from_near_by(noise: Pixels) -> None:
    lengths, places = [], []
    for seed in range(60):
        changed = distort(noise, "non_eccentricity_patch", severity=1, seed=seed)
        rows, columns = np.nonzero((changed != noise).any(axis=2))
        if not rows.size:  # copied onto itself
            continue
        top, left = int(rows.min()), int(columns.min())
        matches = [
            (top - source_top, left - source_left)
            for source_top in range(max(top - 8, 0), min(top + 9, 135))
            for source_left in range(max(left - 8, 0), min(left + 9, 155))
            if (changed[top : top + 16, left : left + 16] == noise[source_top:, source_left:][:16, :16]).all()
        ]
        assert len(matches) == 1
        lengths.append(matches[0])
        places.append((top - matches[0][0], left - matches[0][1]))
    assert len(lengths) > 50
    assert np.abs(lengths).max() > 5
    assert np.min(places) >= 16
    assert (np.max(places, axis=0) <= (150 - 32, 170 - 32)).all()


def test_more_patches_and_blocks_add_to_fewer(photo: Pixels) -> None:
    for name in ("non_eccentricity_patch", "color_block"):
        fidelity = [psnr(distort(photo, name, severity=count), photo) for count in (0, 2, 8, 30, 100)]
        assert fidelity[0] == np.inf
        assert fidelity == sorted(fidelity, reverse=True)


def test_a_color_block_is_flat_and_32_px_wide(noise: Pixels) -> None:
    colors = set()
    for seed in range(8):
        painted = distort(noise, "color_block", severity=1, seed=seed)
        rows, columns = np.nonzero((painted != noise).any(axis=2))
        block = painted[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert block.shape[:2] == (32, 32)
        assert (block == block[0, 0]).all()
        colors.add(tuple(block[0, 0].tolist()))
    assert len(colors) == 8


def test_local_blocks_shift_one_block_in_twelve_each_by_its_own_offset() -> None:
    grey = np.full((384, 512, 3), 128, np.uint8)
    shifted = distort(grey, "local_block", severity=90.0).astype(int) - 128
    blocks = shifted.reshape(12, 32, 16, 32, 3)
    assert (blocks == blocks[:, :1, :, :1, :1]).all()
    offsets = blocks[:, 0, :, 0, 0]
    assert np.count_nonzero(offsets) == pytest.approx(16, abs=1)
    assert len(np.unique(offsets)) > 10
    assert offsets.min() < 0 < offsets.max()
    assert np.abs(offsets).max() <= 90


@pytest.mark.parametrize("strength", [0.01, 0.05, 0.1, 0.2, 0.5])
def test_pixelate_shows_the_nearest_pixel(noise: Pixels, strength: float) -> None:
    scale = 0.95 - strength**0.6
    height, width = int(np.ceil(150 * scale)), int(np.ceil(170 * scale))
    small = np.array(
        [
            [noise[min(int((i + 0.5) / scale), 149), min(int((j + 0.5) / scale), 169)] for j in range(width)]
            for i in range(height)
        ]
    )
    large = np.array(
        [
            [small[int((i + 0.5) * height / 150), int((j + 0.5) * width / 170)] for j in range(170)]
            for i in range(150)
        ]
    )
    np.testing.assert_array_equal(distort(noise, "pixelate", severity=strength), large)


@pytest.mark.parametrize("name", ["non_eccentricity_patch", "local_block"])
def test_the_levels_of_tid2013_are_reached(photo: Pixels, name: str) -> None:
    for target in (30.0, 24.0):
        found = calibrate(photo, name, psnr=target)
        assert found.psnr == pytest.approx(target, abs=1.0 if name == "non_eccentricity_patch" else 0.1)


@pytest.mark.parametrize("name", SPATIAL)
def test_small_images_are_distorted_too(name: str) -> None:
    draw = np.random.default_rng(4)
    for shape in ((1, 1), (1, 40), (33, 2), (16, 16), (47, 31)):
        image = draw.integers(0, 256, (*shape, 3), dtype=np.uint8)
        before = image.copy()
        for severity in (find(name).severity.low, find(name).severity.high):
            distorted = distort(image, name, severity=severity)
            assert distorted.shape == image.shape
        np.testing.assert_array_equal(image, before)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    d, a = np.abs(distance), -0.75
    return np.where(d <= 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a)
