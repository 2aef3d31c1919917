"""Distortions against published numbers and against independent computations."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from io import BytesIO
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from eyechart.distort import Pixels, distort, psnr, registry
from eyechart.distort.blur import disk, line
from eyechart.distort.spatial import _fetch
from eyechart.errors import EyechartError

skimage = pytest.importorskip("skimage", reason="scikit-image is the independent computation")

# Mean PSNR in dB of levels 1 to 5 over photographs, from another implementation of KADID-10k's generator.
PUBLISHED = {
    "gaussian_blur": (np.inf, 37.7, 29.3, 25.7, 22.7),
    "lens_blur": (32.6, 28.0, 24.8, 23.5, 22.6),
    "motion_blur": (np.inf, 34.5, 29.7, 27.2, 25.1),
    "saturation_hsv": (22.9, 20.4, 19.4, 18.5, 15.7),
    "saturation_lab": (np.inf, 22.9, 18.8, 14.4, 12.8),
    "jpeg2000": (32.9, 29.5, 28.2, 25.3, 22.7),
    "jpeg": (30.1, 29.7, 28.6, 24.8, 22.7),
    "white_noise": (30.2, 27.2, 25.5, 23.3, 20.4),
    "color_noise": (35.5, 28.6, 25.6, 22.7, 21.0),
    "multiplicative_noise": (38.0, 31.1, 28.1, 25.2, 21.4),
    "impulse_noise": (34.9, 27.9, 24.9, 21.9, 20.1),
    "brighten": (28.6, 22.6, 16.5, 11.7, 8.6),
    "darken": (34.9, 28.7, 22.8, 16.7, 11.3),
    "jitter": (40.6, 34.9, 29.9, 25.0, 22.6),
    "contrast_change": (19.7, 22.7, 27.5, 27.5, 21.6),
}
# How far a photograph may lie from the mean: noise is the same on all, saturation depends on the colours.
SPREAD = {"white_noise": 0.3, "color_noise": 0.3, "saturation_hsv": 7.0, "saturation_lab": 7.0}
NO_CHANGE = {("gaussian_blur", 1), ("motion_blur", 1), ("saturation_lab", 1)}
SIGNED = {"contrast_change", "saturation_hsv"}
DIGEST = """
import hashlib, numpy as np
from eyechart.distort import distort, registry
image = np.random.default_rng(3).integers(0, 256, (61, 75, 3), dtype=np.uint8)
for name in registry():
    for level in range(1, 6):
        print(name, level, hashlib.sha256(distort(image, name, level=level).tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from skimage import data

    image: Pixels = data.astronaut()
    return image


def test_every_level_of_every_type_is_an_image_and_repeats_itself(photo: Pixels) -> None:
    small = photo[100:163, 200:291]
    before = small.copy()
    for name in registry():
        for level in range(1, 6):
            first = distort(small, name, level=level, seed=1, image_id="a")
            assert first.dtype == np.uint8
            assert first.shape == small.shape
            np.testing.assert_array_equal(first, distort(small, name, level=level, seed=1, image_id="a"))
    np.testing.assert_array_equal(small, before)


@pytest.mark.parametrize("name", ["white_noise", "motion_blur", "jitter", "impulse_noise"])
def test_chance_follows_seed_and_image(photo: Pixels, name: str) -> None:
    first = distort(photo, name, level=4, seed=1, image_id="a")
    assert (first != distort(photo, name, level=4, seed=2, image_id="a")).any()
    assert (first != distort(photo, name, level=4, seed=1, image_id="b")).any()


@pytest.mark.parametrize("name", sorted(registry()))
def test_fidelity_lies_where_it_was_published(photo: Pixels, name: str) -> None:
    for level, published in enumerate(PUBLISHED[name], start=1):
        found = psnr(distort(photo, name, level=level), photo)
        if np.isinf(published):
            assert found > 48
        else:
            assert found == pytest.approx(published, abs=SPREAD.get(name, 3.0))


def test_only_the_known_levels_change_nothing(photo: Pixels) -> None:
    invisible = {
        (name, level)
        for name in registry()
        for level in range(1, 6)
        if psnr(distort(photo, name, level=level), photo) > 48
    }
    assert invisible == NO_CHANGE


@pytest.mark.parametrize("name", sorted(set(registry()) - SIGNED))
def test_a_higher_level_is_further_from_the_photograph(photo: Pixels, name: str) -> None:
    found = [psnr(distort(photo, name, level=level), photo) for level in range(1, 6)]
    assert found == sorted(found, reverse=True)


def test_signed_types_grow_with_the_distance_from_their_identity(photo: Pixels) -> None:
    for name, amounts in {
        "contrast_change": (-0.2, -0.1, 0.0, 0.3, 0.6),
        "saturation_hsv": (1.0, 0.5, 0.0, -0.4),
    }.items():
        found = [psnr(distort(photo, name, severity=amount), photo) for amount in amounts]
        assert found[0] == np.inf
        assert found == sorted(found, reverse=True)


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


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    name=st.sampled_from(sorted(registry())),
    level=st.integers(1, 5),
    value=st.integers(0, 255),
)
def test_any_size_works(height: int, width: int, name: str, level: int, value: int) -> None:
    image = np.full((height, width, 3), value, np.uint8)
    image[::2, ::3] = 255 - value
    distorted = distort(image, name, level=level)
    assert distorted.shape == image.shape
    assert distorted.dtype == np.uint8


def test_pillow_images_stay_pillow_images(photo: Pixels) -> None:
    distorted = distort(Image.fromarray(photo), "jpeg", level=3)
    assert isinstance(distorted, Image.Image)
    np.testing.assert_array_equal(np.array(distorted), distort(photo, "jpeg", level=3))
    turned = np.rot90(photo)  # an array that is not contiguous
    np.testing.assert_array_equal(
        distort(turned, "lens_blur", level=2), distort(turned.copy(), "lens_blur", level=2)
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"type": "gausian_blur", "level": 1}, "gaussian_blur"),
        ({"type": "jpeg"}, "level or a severity"),
        ({"type": "jpeg", "level": 1, "severity": 10}, "level or a severity"),
        ({"type": "jpeg", "level": 6}, "1, 2, 3, 4 and 5"),
        ({"type": "jpeg", "level": 0}, "1, 2, 3, 4 and 5"),
        ({"type": "jpeg", "severity": 101}, "1 to 100"),
        ({"type": "jpeg", "severity": 10.5}, "whole"),
        ({"type": "white_noise", "severity": float("nan")}, "0 to 1"),
        ({"type": "jpeg", "level": 1, "corpus": "kadid"}, "kadid10k"),
    ],
)
def test_mistakes_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(EyechartError, match=told):
        distort(np.zeros((8, 8, 3), np.uint8), **options)  # type: ignore[arg-type]


def test_other_kinds_of_images_are_told() -> None:
    images: tuple[Any, ...] = (
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        Image.new("L", (8, 8)),
        Image.new("RGBA", (8, 8)),
        Image.new("I;16", (8, 8)),
    )
    for image in images:
        with pytest.raises(EyechartError, match="RGB"):
            distort(image, "jpeg", level=1)


def test_pixels_are_the_same_on_a_lesser_processor() -> None:
    whole = _digests({})
    assert len(whole.splitlines()) == 5 * len(registry())
    lesser = {
        "OPENCV_CPU_DISABLE": "AVX2,FMA3,AVX512_SKX",
        "NPY_DISABLE_CPU_FEATURES": " ".join(_features_that_can_go()),
    }
    assert _digests(lesser) == whole


def _digests(environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _features_that_can_go() -> list[str]:
    core = import_module("numpy._core._multiarray_umath")
    return [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]
