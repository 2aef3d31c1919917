"""Scenes of dead leaves have the statistics of photographs."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.corpora.dead_leaves import Pixels, dead_leaves
from eyechart.corpora.photos import packaged_photos, read_photo


def test_a_scene_depends_on_its_seed_alone() -> None:
    first = dead_leaves(1, 90, 121)
    assert first.shape == (90, 121, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, dead_leaves(1, 90, 121))
    assert (first != dead_leaves(2, 90, 121)).mean() > 0.5


def test_power_falls_with_frequency_as_in_photographs() -> None:
    scenes = [_slope(dead_leaves(seed, 384, 384)) for seed in range(6)]
    photos = [_slope(read_photo(photo.path)) for photo in packaged_photos()[::6]]
    assert all(-3.3 < slope < -1.5 for slope in scenes)
    assert np.mean(scenes) == pytest.approx(np.mean(photos), abs=0.4)


def test_the_slope_tells_other_pictures_apart() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (384, 384, 3), dtype=np.uint8)
    assert abs(_slope(noise)) < 0.2


def test_scenes_differ_in_brightness_contrast_and_colour() -> None:
    scenes = [dead_leaves(seed, 120, 160) for seed in range(12)]
    means = [scene.mean() for scene in scenes]
    contrasts = [scene.mean(axis=2).std() for scene in scenes]
    colours = [np.ptp(scene, axis=2).mean() for scene in scenes]
    assert min(means) < 100 < 130 < max(means)
    assert max(contrasts) > 1.5 * min(contrasts)
    assert max(colours) > 2 * min(colours)


def test_pixels_are_the_same_on_a_lesser_processor() -> None:
    script = "import sys; from eyechart.corpora.dead_leaves import dead_leaves as d; "
    script += "sys.stdout.buffer.write(d(1, 200, 300).tobytes())"
    lesser = {"OPENCV_CPU_DISABLE": "AVX2,FMA3", "NPY_DISABLE_CPU_FEATURES": _features_that_can_go()}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | lesser, capture_output=True, check=True
    )
    assert done.stdout == dead_leaves(1, 200, 300).tobytes()


def _features_that_can_go() -> str:
    core = import_module("numpy._core._multiarray_umath")
    return " ".join(name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**40), height=st.integers(16, 90), width=st.integers(16, 90))
def test_any_size_works(seed: int, height: int, width: int) -> None:
    scene = dead_leaves(seed, height, width)
    assert scene.shape == (height, width, 3)
    assert scene.std() > 0


def _slope(image: Pixels) -> float:
    """Return the exponent of the radially averaged power spectrum, from 1/50 to 1/3 cycles per pixel."""
    grey = image.mean(axis=2)
    window = np.outer(np.hanning(grey.shape[0]), np.hanning(grey.shape[1]))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.fftfreq(grey.shape[1])[None, :])
    edges = np.geomspace(0.02, 0.35, 16)
    rings = [power[(frequency >= low) & (frequency < high)].mean() for low, high in pairwise(edges)]
    return float(np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.log(rings), 1)[0])
