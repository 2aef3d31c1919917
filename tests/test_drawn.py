"""Drawn scenes hold what their answers say, at the place that they say, and leave the rest as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eyechart.corpora.drawn import COLOURS, QUESTIONS, SHAPES, Scene, choices, draw_scene, object_names
from eyechart.seeds import rng

SEEDS = st.integers(0, 10_000)
SIDES = st.integers(48, 130)


def background(height: int, width: int) -> NDArray[np.uint8]:
    """Return a grey photograph: no colour of a shape is in it."""
    grain = np.random.default_rng(0).integers(90, 150, (height, width, 1))
    return np.repeat(grain, 3, axis=2).astype(np.uint8)


def changed(scene: Scene, behind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (scene.image != behind).any(2)
    return found


def scenes(question: str, count: int = 60) -> list[Scene]:
    drawn = [draw_scene(background(112, 112), rng(0, "test", i)) for i in range(2 * count + 40)]
    return [scene for scene in drawn if question in scene.answers][:count]


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_scene_is_deterministic_and_answers_are_choices(seed: int, height: int, width: int) -> None:
    behind = background(height, width)
    kept = behind.copy()
    one, two = (draw_scene(behind, rng(seed, "scene")) for _ in range(2))
    assert np.array_equal(one.image, two.image)
    assert one.answers == two.answers
    assert one.image.shape == behind.shape
    assert one.image.dtype == np.uint8
    assert np.array_equal(behind, kept)  # the background is not drawn on
    assert set(one.answers) in ({"colour", "shape", "place"}, {"object", "place"})
    assert all(answer in choices(question) for question, answer in one.answers.items())


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, height=SIDES, width=SIDES)
def test_background_is_unchanged_away_from_the_figure(seed: int, height: int, width: int) -> None:
    behind = background(height, width)
    rows, columns = np.nonzero(changed(draw_scene(behind, rng(seed, "scene")), behind))
    largest = 0.5 * min(height, width)
    assert len(rows)
    assert np.ptp(rows) < largest
    assert np.ptp(columns) < largest


def test_the_colour_is_there() -> None:
    for scene in scenes("colour"):
        painted = scene.image[changed(scene, background(112, 112))].astype(float)
        shade = np.median(painted, axis=0)
        nearest = min(COLOURS, key=lambda name: float(np.abs(shade - COLOURS[name]).sum()))
        assert nearest == scene.answers["colour"]


def test_the_figure_is_at_its_place() -> None:
    for scene in [*scenes("shape"), *scenes("object")]:
        rows, columns = np.nonzero(changed(scene, background(112, 112)))
        middle = (columns.min() + columns.max()) / 222, (rows.min() + rows.max()) / 222
        # A figure is a third to a half of the scene: at an edge, its middle is about 0.2 away from the edge.
        where = [round(3.5 * (at - 0.5)) for at in middle]
        places = {(-1, 0): "left", (1, 0): "right", (0, -1): "top", (0, 1): "bottom", (0, 0): "center"}
        assert places[where[0], where[1]] == scene.answers["place"]


def test_shapes_differ_from_one_another() -> None:
    """The share of its bounding box that a shape fills, and whether its middle is filled."""
    filled: dict[str, list[float]] = {}
    for scene in scenes("shape", 150):
        mask = changed(scene, background(112, 112))
        rows, columns = np.nonzero(mask)
        box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        filled.setdefault(scene.answers["shape"], []).append(box.mean())
        middle = box[box.shape[0] // 2, box.shape[1] // 2]
        assert middle == (scene.answers["shape"] != "ring")
    assert set(filled) == set(SHAPES)
    mean = {shape: np.mean(values) for shape, values in filled.items()}
    assert mean["square"] == max(mean.values())
    assert mean["circle"] == pytest.approx(np.pi / 4, abs=0.04)
    assert mean["ring"] == pytest.approx(np.pi / 4 * (1 - (0.44 / 0.9) ** 2), abs=0.04)


def test_everything_is_drawn_sometimes() -> None:
    drawn = [draw_scene(background(64, 64), rng(0, "variety", i)) for i in range(1200)]
    for question in QUESTIONS:
        assert {scene.answers[question] for scene in drawn if question in scene.answers} == set(
            choices(question)
        )
    assert 0.45 < np.mean(["shape" in scene.answers for scene in drawn]) < 0.55


def test_objects_are_told_apart_by_their_pictures() -> None:
    pictures = {scene.answers["object"]: scene.image.tobytes() for scene in scenes("object", 100)}
    assert len(set(pictures.values())) == len(pictures)
    assert set(pictures) <= set(object_names())
