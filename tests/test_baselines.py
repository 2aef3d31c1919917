"""Pixel features react to their own distortion and not to another; the baselines learn what can be learnt."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from skimage import data

from eyechart.errors import EyechartError
from eyechart.measures.pixel_features import FEATURES, pixel_features
from eyechart.subjects.baselines import COLUMNS, baseline_answers, fit_pixel_classifier, majority

Image = NDArray[np.uint8]
Maker = Callable[[Image], Image]


def as_image(found: object) -> Image:
    return np.asarray(found, dtype=np.uint8)


def photo(name: str) -> Image:
    found = getattr(data, name)()
    # Halving takes out the JPEG grid that some of the photographs were stored with.
    return as_image(cv2.resize(found, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


@cache
def photos() -> tuple[Image, ...]:
    return tuple(photo(name) for name in ("astronaut", "coffee", "chelsea", "rocket"))


def to_uint8(image: NDArray[np.floating]) -> Image:
    return as_image(np.clip(np.rint(image), 0, 255))


def blur(image: Image) -> Image:
    return as_image(cv2.GaussianBlur(image, (0, 0), 2))


def noise(image: Image) -> Image:
    return to_uint8(image + np.random.default_rng(0).normal(0, 12, image.shape[:2])[..., None])


def jpeg(image: Image) -> Image:
    stored = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 12])[1]
    return as_image(cv2.imdecode(stored, cv2.IMREAD_COLOR))[..., ::-1]


def darken(image: Image) -> Image:
    return to_uint8(image * 0.5)


def squeeze(image: Image) -> Image:
    return to_uint8(128 + (image - 128.0) * 0.4)


def grey(image: Image) -> Image:
    return as_image(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))


def overexpose(image: Image) -> Image:
    return to_uint8(image * 2.5)


def jitter(image: Image) -> Image:
    height, width = image.shape[:2]
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    shift = generator.uniform(-3, 3, (2, height, width)).astype(np.float32)
    moved = cv2.remap(image, x + shift[0], y + shift[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return as_image(moved)


def feature(name: str, image: Image) -> float:
    return float(pixel_features([image])[0, list(FEATURES).index(name)])


@pytest.mark.parametrize(
    ("name", "distortion", "direction", "by"),
    [
        ("laplacian_variance", blur, -1, 1.0),
        ("laplacian_variance", noise, 1, 0.3),
        ("noise_sigma", noise, 1, 5.0),
        ("blockiness", jpeg, 1, 0.5),
        ("mean_luma", darken, -1, 20.0),
        ("rms_contrast", squeeze, -1, 10.0),
        ("mean_saturation", grey, -1, 0.05),
        ("colourfulness", grey, -1, 10.0),
        ("gradient_kurtosis", noise, -1, 0.1),
        ("clipped_share", overexpose, 1, 0.05),
        ("high_frequency_ratio", blur, -1, 1.0),
        ("high_frequency_ratio", jitter, 1, 0.2),
    ],
)
def test_a_feature_reacts_to_its_distortion(name: str, distortion: Maker, direction: int, by: float) -> None:
    for image in photos():
        assert direction * (feature(name, distortion(image)) - feature(name, image)) > by


@pytest.mark.parametrize(
    ("name", "distortion", "within"),
    [
        ("laplacian_variance", grey, 0.05),
        ("noise_sigma", grey, 0.2),
        ("blockiness", noise, 0.6),
        ("blockiness", blur, 0.5),
        ("mean_luma", blur, 0.5),
        ("mean_luma", grey, 0.5),
        ("rms_contrast", noise, 2.5),
        ("rms_contrast", grey, 0.5),
        ("mean_saturation", blur, 0.03),
        ("colourfulness", noise, 3.0),
        ("gradient_kurtosis", darken, 0.02),
        ("clipped_share", jitter, 0.01),
        ("high_frequency_ratio", darken, 0.02),
    ],
)
def test_a_feature_leaves_other_distortions_alone(name: str, distortion: Maker, within: float) -> None:
    for image in photos():
        assert abs(feature(name, distortion(image)) - feature(name, image)) < within


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, 5), (7, 1)])
def test_blockiness_finds_the_grid_at_any_offset(down: int, right: int) -> None:
    for image in photos():
        assert feature("blockiness", jpeg(image)[down:, right:]) > feature("blockiness", image) + 0.5


def test_known_values() -> None:
    flat = np.full((64, 64, 3), 100, dtype=np.uint8)
    values = dict(zip(FEATURES, pixel_features([flat])[0], strict=True))
    assert values["mean_luma"] == pytest.approx(100, abs=0.01)
    for name in (
        "noise_sigma",
        "blockiness",
        "rms_contrast",
        "mean_saturation",
        "colourfulness",
        "clipped_share",
    ):
        assert values[name] == pytest.approx(0, abs=1e-3)
    red = flat.copy()
    red[:] = (255, 0, 0)
    assert feature("mean_saturation", red) == 1
    assert feature("clipped_share", red) == 1
    # red - green = 255, (red + green) / 2 - blue = 127.5, no spread
    assert feature("colourfulness", red) == pytest.approx(0.3 * np.hypot(255, 127.5), rel=1e-5)


def test_noise_sigma_is_the_sigma_that_was_added() -> None:
    flat = np.full((256, 256, 3), 128.0)
    noisy = to_uint8(flat + np.random.default_rng(1).normal(0, 10, (256, 256, 1)))
    assert feature("noise_sigma", noisy) == pytest.approx(10, rel=0.05)
    smooth = np.linspace(0, 60, 256)[None, :, None]
    assert feature("noise_sigma", to_uint8(noisy + smooth)) == pytest.approx(10, rel=0.05)


def test_gradient_kurtosis_is_scipys() -> None:
    luma = cv2.cvtColor(photos()[0], cv2.COLOR_RGB2GRAY).astype(float)
    steps = np.concatenate([np.diff(luma, axis=0).ravel(), np.diff(luma, axis=1).ravel()])
    expected = np.log(stats.kurtosis(steps, fisher=False))
    assert feature("gradient_kurtosis", photos()[0]) == pytest.approx(expected, abs=0.02)


@given(st.integers(24, 60), st.integers(24, 60), st.integers(0, 2**32 - 1), st.integers(1, 255))
@settings(max_examples=25, deadline=None)
def test_features_are_finite_for_any_image(height: int, width: int, seed: int, top: int) -> None:
    image = np.random.default_rng(seed).integers(0, top + 1, (height, width, 3)).astype(np.uint8)
    found = pixel_features([image, np.zeros_like(image), np.full_like(image, 255)])
    assert found.shape == (3, 10)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    "image",
    [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32), np.zeros((64, 20, 3), np.uint8)],
)
def test_other_images_are_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(EyechartError):
        pixel_features([image])


def test_no_images_give_no_rows() -> None:
    assert pixel_features([]).shape == (0, 10)


MAKERS: dict[str, Maker] = {"blur": blur, "noise": noise, "compression": jpeg, "clean": np.copy}


def part(
    contents: list[int], crops: list[Image], shuffle: int | None = None
) -> tuple[pd.DataFrame, list[Image]]:
    """Return one image per content and label; with ``shuffle`` the labels are dealt anew."""
    rows = [(f"{c}/{name}", f"content {c}", name, i % 2) for c in contents for i, name in enumerate(MAKERS)]
    table = pd.DataFrame(rows, columns=["image_id", "content", "label", "level"])
    table["distortion"] = table["label"]
    if shuffle is not None:
        table["label"] = np.random.default_rng(shuffle).permutation(table["label"].to_numpy(dtype=object))
    return table, [maker(crops[c]) for c in contents for maker in MAKERS.values()]


@cache
def crops() -> list[Image]:
    """Return 24 windows of 96 x 96 pixels; each counts as a content."""
    return [image[y : y + 96, x : x + 96] for image in photos() for y in (0, 50) for x in (0, 60, 120)]


def test_the_classifier_beats_chance_and_shuffled_labels_do_not() -> None:
    everything = crops()
    train, test = list(range(16)), list(range(16, 24))
    found = baseline_answers(*part(train, everything), *part(test, everything), seed=1)
    accuracy = found.groupby("baseline")["correct"].mean()
    assert accuracy["majority"] == 0.25
    assert accuracy["pixel statistics"] > 0.6
    shuffled = [
        baseline_answers(*part(train, everything, seed), *part(test, everything), seed=1)
        .query("baseline == 'pixel statistics'")["correct"]
        .mean()
        for seed in range(3)
    ]
    # 96 answers at chance 1/4 have a standard error of 0.044.
    assert abs(np.mean(shuffled) - 0.25) < 0.16


def test_trees_are_taken_only_where_they_are_better_on_the_training_contents() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (200, 10))
    contents = np.repeat(np.arange(20).astype(str), 10)
    side, corner = points.sum(1) > 0, (points[:, 0] > 0) != (points[:, 1] > 0)
    for truth, kind in ((side, "LogisticRegression"), (corner, "HistGradientBoostingClassifier")):
        search = fit_pixel_classifier(points, np.where(truth, "blur", "noise"), contents, seed=0)
        assert type(search.best_estimator_["classify"]).__name__ == kind


def test_answers_have_the_promised_columns_and_repeat() -> None:
    everything = crops()
    parts = (*part([0, 1, 2], everything), *part([3, 4], everything))
    found = baseline_answers(*parts, seed=1)
    assert list(found.columns) == COLUMNS
    assert found["baseline"].value_counts().to_dict() == {"majority": 8, "pixel statistics": 8}
    assert (found["correct"] == (found["predicted"] == found["label"])).all()
    pd.testing.assert_frame_equal(found, baseline_answers(*parts, seed=1))


def test_majority_names_the_most_frequent_training_label() -> None:
    test = part([0], crops())[0]
    assert set(majority(pd.Series(["b", "noise", "noise"]), test)["predicted"]) == {"noise"}
    assert set(majority(pd.Series(["noise", "blur"]), test)["predicted"]) == {"blur"}


def test_faults_are_named() -> None:
    everything = crops()
    with pytest.raises(EyechartError, match="content 1"):
        baseline_answers(*part([0, 1], everything), *part([1], everything))
    with pytest.raises(EyechartError, match=r"1 content\(s\)"):
        baseline_answers(*part([0], everything), *part([1], everything))
