"""What holds for every distortion: coverage, identity, monotony, targets, kinds of images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from eyechart.corpora.types import TYPES
from eyechart.distort import (
    FAMILIES,
    Distortion,
    Pixels,
    Step,
    calibrate,
    compose,
    distort,
    find,
    make_distorted,
    psnr,
    registry,
)
from eyechart.distort.registry import TID2013_PSNR
from eyechart.errors import EyechartError

ALL = sorted(registry())
LEVELS = [(name, corpus) for name in ALL for corpus in registry()[name].levels]
# KADID-10k's levels, as its generator states them (imdist_generator.m), by the number of the type.
KADID = {
    "01": (0.1, 0.5, 1, 2, 5),
    "02": (1, 2, 4, 6, 8),
    "03": (1, 2, 4, 6, 10),
    "04": (1, 3, 6, 8, 12),
    "05": (1, 3, 6, 8, 12),
    "06": (64, 48, 32, 16, 8),
    "07": (0.4, 0.2, 0.1, 0, -0.4),
    "08": (1, 2, 3, 6, 9),
    "09": (16, 32, 45, 120, 400),
    "10": (43, 36, 24, 7, 4),
    "11": (0.001, 0.002, 0.003, 0.005, 0.01),
    "12": (0.0001, 0.0005, 0.001, 0.002, 0.003),
    "13": (0.001, 0.005, 0.01, 0.02, 0.03),
    "14": (0.001, 0.005, 0.01, 0.02, 0.05),
    "15": (0.01, 0.03, 0.05, 0.1, 0.15),
    "16": (0.1, 0.2, 0.4, 0.7, 1.1),
    "17": (0.05, 0.1, 0.2, 0.4, 0.8),
    "18": (0.15, 0.08, 0, -0.08, -0.15),
    "19": (0.05, 0.1, 0.2, 0.5, 1),
    "20": (20, 40, 60, 80, 100),
    "21": (0.01, 0.05, 0.1, 0.2, 0.5),
    "22": (20, 16, 13, 10, 7),
    "23": (2, 4, 6, 8, 10),
    "24": (1, 2, 3, 6, 12),
    "25": (0.3, 0.15, 0, -0.4, -0.6),
}
IDENTITY = {("gaussian_blur", 1), ("motion_blur", 1), ("saturation_lab", 1), ("mean_shift", 3)}
# Types whose PSNR need not fall with the severity, and why.
NOT_MONOTONE: dict[str, str] = {
    "jpeg_transmission": "what a wrong bit costs depends on where it is",
    "jpeg2000_transmission": "what a wrong bit costs depends on where it is",
}
# TID2013's levels that a type cannot meet within 0.1 dB on the photograph, and why.
OFF_TARGET: dict[str, str] = {
    "color_quantization": "the number of colours is a whole one",
    "mean_shift": "all pixels rise by the same whole number of grey levels",
    "quantization": "the number of thresholds is a whole one",
    "non_eccentricity_patch": "the number of patches is a whole one",
    "jpeg": "quality is a whole number, and 1 may be better than the target",
    "jpeg_transmission": "bits are wrong or right, and one may cost several dB",
    "jpeg2000_transmission": "bits are wrong or right, and one may cost several dB",
    "comfort_noise": "a smooth picture has too little texture to lose",
}


@pytest.fixture(scope="module")
def photo() -> Pixels:
    from eyechart.corpora.photos import packaged_photos, read_photo

    image = read_photo(packaged_photos()[3].path)
    return np.ascontiguousarray(image[100:292, 120:376])


def test_every_type_of_the_four_corpora_can_be_made() -> None:
    wanted = {
        name
        for corpus in ("live", "csiq", "tid2008", "tid2013", "kadid10k")
        for name in TYPES[corpus].values()
    }
    assert wanted <= set(ALL)
    assert {len(TYPES[corpus]) for corpus in ("live", "csiq", "tid2013", "kadid10k")} == {5, 6, 24, 25}
    for name in TYPES["tid2013"].values():
        assert registry()[name].targets["tid2013"] == TID2013_PSNR == (33, 30, 27, 24, 21)
    for code, name in TYPES["kadid10k"].items():
        assert registry()[name].levels["kadid10k"] == KADID[code], name
        assert registry()[name].corpora[0] == "kadid10k"


def test_families_cover_all() -> None:
    assert {found.family for found in registry().values()} == set(FAMILIES)


@pytest.mark.parametrize("name", ALL)
def test_every_type_says_what_it_is(name: str) -> None:
    found = find(name)
    assert found.corpora
    assert found.source
    assert found.space
    assert found.make.__doc__
    assert found.severity.low < found.severity.high
    for severities in found.levels.values():
        for severity in severities:
            assert found.check(severity) == severity


def test_the_identity_cells_of_kadid_are_known_and_no_others(photo: Pixels) -> None:
    told = {
        (name, level)
        for name in set(TYPES["kadid10k"].values())
        for level in range(1, 6)
        if find(name).severity.direction(find(name).at_level(level, "kadid10k")) == 0
    }
    assert told == IDENTITY
    for name, level in IDENTITY:
        made = make_distorted(photo, Step(name, level, corpus="kadid10k"))
        assert made.direction == 0
        assert made.strength == 0
        np.testing.assert_array_equal(made.pixels, photo)


@pytest.mark.parametrize("name", [name for name in ALL if registry()[name].severity.identity])
def test_what_is_said_to_change_nothing_changes_nothing(name: str, photo: Pixels) -> None:
    for severity in find(name).severity.identity or ():
        np.testing.assert_array_equal(distort(photo, name, severity=severity), photo)


@pytest.mark.parametrize("name", ALL)
def test_level_0_is_the_image_itself(name: str, photo: Pixels) -> None:
    untouched = distort(photo, name, level=0)
    assert untouched is not photo
    np.testing.assert_array_equal(untouched, photo)


def test_signed_types_keep_direction_and_strength(photo: Pixels) -> None:
    up, down = (make_distorted(photo, Step("mean_shift", level)) for level in (2, 4))
    assert (up.direction, down.direction) == (1, -1)
    assert up.strength == down.strength == pytest.approx(0.08)
    strongest = [make_distorted(photo, Step("contrast_change", level)) for level in range(1, 6)]
    assert [made.direction for made in strongest] == [1, 1, 1, -1, -1]
    assert [made.strength for made in strongest] == pytest.approx([0.5, 0.35, 0.2, 0.2, 0.4])


@pytest.mark.parametrize("name", [name for name in ALL if name not in NOT_MONOTONE])
def test_psnr_falls_with_the_strength(name: str, photo: Pixels) -> None:
    for path in _paths(find(name)):
        found = [psnr(distort(photo, name, severity=severity), photo) for severity in path]
        for one, next_one in pairwise(found):
            assert next_one <= one + 0.3, (name, path, found)
        assert found[-1] < found[0] - 1, (name, path, found)


def _paths(found: Distortion) -> list[list[float]]:
    """Return severities from mild to strong, on each side of the identity, within the levels in use."""
    spec = found.severity
    used = sorted({value for values in found.levels.values() for value in values} | set(spec.identity or ()))
    low, high = (used[0], used[-1]) if len(used) > 1 else (spec.low, spec.high)
    if spec.identity and spec.worse == "both":
        ends = [(spec.identity[0], low), (spec.identity[1], high)]
    else:
        ends = [(low, high) if spec.worse == "high" else (high, low)]
    paths = []
    for mild, strong in ends:
        if mild == strong:
            continue
        path = [mild + (strong - mild) * share for share in (0, 0.15, 0.4, 0.7, 1)]
        paths.append(list(dict.fromkeys(float(round(s)) if spec.whole else s for s in path)))
    return paths


@pytest.mark.parametrize("name", [name for name in ALL if "tid2013" in registry()[name].targets])
def test_the_levels_of_tid2013_meet_their_psnr(name: str, photo: Pixels) -> None:
    off = []
    for level, target in enumerate(TID2013_PSNR, start=1):
        made = make_distorted(photo, Step(name, level, corpus="tid2013"))
        if abs(made.psnr - target) > 0.1:
            off.append((level, round(made.psnr, 2)))
    assert bool(off) == (name in OFF_TARGET), off


def test_calibration_finds_a_psnr_on_either_side(photo: Pixels) -> None:
    for direction in (-1, 1):
        found = calibrate(photo, "mean_shift", psnr=27, tolerance=0.5, direction=direction)
        assert found.reached
        assert np.sign(found.severity) == direction
        # In closed form without clipping; with it a little more is needed.
        assert abs(found.severity) == pytest.approx(10 ** (-27 / 20), rel=0.1)
        assert psnr(distort(photo, "mean_shift", severity=found.severity), photo) == found.psnr
    with pytest.raises(EyechartError, match="positive"):
        calibrate(photo, "jpeg", psnr=-1)


def test_calibration_says_when_it_cannot_reach(photo: Pixels) -> None:
    found = calibrate(photo, "jpeg", psnr=5)
    assert not found.reached
    assert find("jpeg").severity.low <= found.severity < 5


def test_a_composition_is_one_after_the_other(photo: Pixels) -> None:
    steps = [Step("gaussian_blur", severity=2.0), Step("jpeg", level=4)]
    one_by_one = distort(distort(photo, "gaussian_blur", severity=2.0), "jpeg", level=4)
    np.testing.assert_array_equal(compose(photo, steps), one_by_one)
    twice = compose(photo, [Step("white_noise", level=3)] * 2, image_id="a")
    added = (twice.astype(int) - photo)[photo[..., 1] > 60]  # two draws, not the same one twice
    assert added.std() < 1.8 * (distort(photo, "white_noise", level=3).astype(int) - photo).std()
    with pytest.raises(EyechartError, match="at least one step"):
        compose(photo, [])


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(ALL),
    level=st.integers(1, 5),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kind=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    fill=st.integers(0, 2**32 - 1),
)
def test_every_kind_of_image_comes_back_as_it_was(
    name: str, level: int, size: tuple[int, int], kind: str, fill: int
) -> None:
    channels = len(kind)
    pixels = np.random.default_rng(fill).integers(0, 256, (*size, channels), dtype=np.uint8)
    before = pixels.copy()
    level = min(level, len(next(iter(find(name).levels.values()), (1, 2, 3, 4, 5))))
    found = distort(pixels, name, level=level, seed=1, image_id="x")
    np.testing.assert_array_equal(pixels, before)
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8
    if kind.endswith("A"):
        np.testing.assert_array_equal(found[..., -1], pixels[..., -1])
    picture = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
    again = distort(picture, name, level=level, seed=1, image_id="x")
    assert again.mode == kind
    np.testing.assert_array_equal(np.array(again).reshape(pixels.shape), found)


@pytest.mark.parametrize(
    "image",
    [
        np.broadcast_to(np.zeros((), np.uint8), (40_000, 8, 3)),
        np.broadcast_to(np.zeros((), np.uint8), (8_000, 8_000, 3)),
    ],
)
def test_images_too_large_are_refused_before_any_work(image: Pixels) -> None:
    with pytest.raises(EyechartError, match="shrink it"):
        distort(image, "jpeg", level=1)


def test_order_does_not_matter(photo: Pixels) -> None:
    random = ["white_noise", "motion_blur", "jitter"]
    one = {name: distort(photo, name, level=3, image_id=name) for name in random}
    for name in reversed(random):
        np.testing.assert_array_equal(distort(photo, name, level=3, image_id=name), one[name])


def test_kadid_stretch_spans_the_whole_range(photo: Pixels) -> None:
    dull = photo // 2 + 40
    stretched = distort(dull, "gaussian_blur", level=4, stretch=True)
    assert (stretched.min(), stretched.max()) == (0, 255)
    assert distort(dull, "gaussian_blur", level=4).max() < 200
