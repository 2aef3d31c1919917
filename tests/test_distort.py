"""Distortions against published numbers and against independent computations."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eyechart.distort import Pixels, distort, psnr, registry
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
    "color_diffusion": (33.5, 19.4, 14.7, 13.5, 12.1),
    "color_shift": (32.4, 29.0, 27.8, 27.3, 27.0),
    "color_quantization": (29.7, 28.8, 27.3, 25.3, 23.0),
    "quantization": (31.5, 29.6, 27.9, 25.8, 22.4),
    "mean_shift": (16.6, 22.1, np.inf, 22.5, 17.3),
    "non_eccentricity_patch": (34.3, 31.5, 29.3, 27.9, 27.3),
    "color_block": (27.9, 24.8, 23.5, 21.8, 21.3),
    "sharpen": (25.3, 20.5, 18.1, 14.8, 12.4),
}
# How far a photograph may lie from the mean: noise is the same on all, saturation depends on the colours.
SPREAD = {
    "white_noise": 0.3,
    "color_noise": 0.3,
    "saturation_hsv": 7.0,
    "saturation_lab": 7.0,
    "color_diffusion": 7.0,
    "color_shift": 7.0,
    "non_eccentricity_patch": 7.0,  # few patches, and what one costs depends on where it is
    "color_block": 4.0,
    "jpeg2000": 6.5,  # that implementation left out the codec's colour transform, which is worth 1 to 3 dB
}
NO_CHANGE = {("gaussian_blur", 1), ("motion_blur", 1), ("saturation_lab", 1), ("mean_shift", 3)}
SIGNED = {"contrast_change", "saturation_hsv", "mean_shift"}
CHANCE = {
    "jpeg_transmission",  # what a wrong bit costs depends on where it is
    "jpeg2000_transmission",
    "pixelate",  # KADID-10k's levels are nearly alike, and which pixels are shown depends on the size
}
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


@pytest.mark.parametrize("name", sorted(PUBLISHED))
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
        if psnr(distort(photo[:256, :256], name, level=level), photo[:256, :256]) > 48
    }
    assert invisible == NO_CHANGE


@pytest.mark.parametrize("name", sorted(set(registry()) - SIGNED - CHANCE))
def test_a_higher_level_is_further_from_the_photograph(photo: Pixels, name: str) -> None:
    part = photo[:256, :256]
    found = [psnr(distort(part, name, level=level), part) for level in range(1, 6)]
    assert found == sorted(found, reverse=True)


def test_signed_types_grow_with_the_distance_from_their_identity(photo: Pixels) -> None:
    for name, amounts in {
        "contrast_change": (-0.2, -0.1, 0.0, 0.3, 0.6),
        "saturation_hsv": (1.0, 0.5, 0.0, -0.4),
        "mean_shift": (0.0, 0.08, -0.15, 0.4, -0.6),
        "gamma": (1.0, 0.8, 1.4, 2.1, 0.3),
        "contrast_scale": (1.0, 0.75, 1.4, 0.45, 4.0),
        "saturation_ycbcr": (1.0, 0.6, 2.0, 5.0),
    }.items():
        found = [psnr(distort(photo, name, severity=amount), photo) for amount in amounts]
        assert found[0] == np.inf
        assert found == sorted(found, reverse=True)


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
        ({"type": "jpeg", "level": -1}, "1, 2, 3, 4 and 5"),
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
        np.zeros((8, 8, 5), np.uint8),
        np.zeros((8, 8, 3, 1), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        Image.new("P", (8, 8)),
        Image.new("CMYK", (8, 8)),
        Image.new("I;16", (8, 8)),
    )
    for image in images:
        with pytest.raises(EyechartError, match="RGB"):
            distort(image, "jpeg", level=1)


def test_pixels_are_the_same_on_a_lesser_processor() -> None:
    whole = _digests({})
    assert len(whole.splitlines()) == 5 * len(registry())
    lesser = {
        "OPENCV_CPU_DISABLE": "AVX2,FMA3,AVX512-SKX",
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
