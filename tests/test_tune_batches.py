"""What training shows: every image alike often, or every cell; held-out contents never; by rows of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eyechart.dataset import DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.tune.batches import held_out, order
from eyechart.tune.contrast import Contrast
from eyechart.tune.grouping import counting, grouped
from eyechart.tune.lesson import Lesson, Pictures


def lesson(targets: list[int], contents: list[str] | None = None, corpora: list[str] | None = None) -> Lesson:
    return Lesson(
        [], np.array(targets), ("a", "b", "c"), ("?",), (), tuple(contents or ()), tuple(corpora or ())
    )


@given(st.integers(1, 30), st.integers(1, 100))
def test_every_round_shows_every_image(images: int, count: int) -> None:
    shown = order(lesson([0] * images), np.arange(images), count, "none", np.random.default_rng(0))
    assert len(shown) == count
    for start in range(0, count - images + 1, images):
        assert sorted(shown[start : start + images]) == list(range(images))


def test_rounds_differ() -> None:
    shown = order(lesson([0] * 10), np.arange(10), 20, "none", np.random.default_rng(0))
    assert shown[:10].tolist() != shown[10:].tolist()


def test_labels_and_corpora_are_drawn_alike_however_many_images_they_have() -> None:
    targets = [0] * 900 + [1] * 90 + [2] * 10 + [0] * 5
    task = lesson(targets, corpora=["big"] * 1000 + ["small"] * 5)
    rows, draw = np.arange(len(targets)), np.random.default_rng(0)
    by_label = np.bincount(task.targets[order(task, rows, 3000, "label", draw)])
    assert (abs(by_label - 1000) < 120).all()
    both = order(task, rows, 4000, "corpus and label", draw)
    assert abs((both >= 1000).sum() - 1000) < 120
    assert np.ptp(np.bincount(both[task.targets[both] == 2])[990:1000]) <= 1  # its images in turn
    plain = np.bincount(task.targets[order(task, rows, 3015, "none", draw)])
    assert plain.tolist() == [905 * 3, 270, 30]


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60), st.floats(0.01, 0.99))
def test_whole_contents_are_held_out(contents: list[str], share: float) -> None:
    task = lesson([0] * len(contents), contents)
    if len(set(contents)) == 1:
        with pytest.raises(EyechartError, match="one content"):
            held_out(task, share, np.random.default_rng(0))
        return
    held = held_out(task, share, np.random.default_rng(0))
    inside, outside = (
        {c for c, h in zip(contents, held, strict=True) if bool(h) == wanted} for wanted in (True, False)
    )
    assert inside
    assert outside
    assert not inside & outside


def test_pictures_are_read_by_rows(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = DatasetConfig(name="rows", train_images=12, test_contents=2, levels=(3,))
    dataset = build_dataset(config, tmp_path_factory.mktemp("sets"))
    names = dataset.table("train")["image_id"].tolist()
    read, whole = Pictures(dataset, "train", names), dataset.images("train")
    assert len(read) == len(whole)
    assert all(np.array_equal(read[row], whole[row]) for row in (5, 0, 11))
    assert all(np.array_equal(a, b) for a, b in zip(read[2:5], whole[2:5], strict=True))
    with pytest.raises(EyechartError, match="no picture"):
        Pictures(dataset, "train", ["other"])[0]


def dense(contents: int, each: int) -> Lesson:
    """Return a task in which every content has every of 8 labels so many times."""
    targets = list(range(8)) * each * contents
    names = [f"content {i}" for i in range(contents) for _ in range(8 * each)]
    return Lesson([], np.array(targets), tuple("abcdefgh"), ("?",), (), tuple(names))


@pytest.mark.parametrize("balance", ["none", "label"])
@pytest.mark.parametrize(("size", "least"), [(4, 0.85), (8, 0.93), (16, 0.96)])
def test_in_groups_nearly_every_image_counts_for_contrast(balance: Any, size: int, least: float) -> None:
    task = dense(60, 3)
    rows = order(task, np.arange(60 * 24), 200 * size, balance, np.random.default_rng(0))
    found = grouped(task, rows, size, np.random.default_rng(1))
    assert sorted(found) == sorted(rows)  # what is shown how often stays as it was drawn
    assert counting(task, found, size).mean() > least
    assert counting(task, rows, size).mean() < 0.2
    again = grouped(task, rows, size, np.random.default_rng(1))
    assert found.tolist() == again.tolist()
    if balance == "none":  # rounds are kept, but for what does not fill a batch
        assert np.ptp(np.bincount(found)) <= 1


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7)), min_size=2, max_size=40), st.integers(1, 9)
)
def test_groups_hold_what_was_drawn(images: list[tuple[str, int]], size: int) -> None:
    contents, targets = zip(*images, strict=True)
    task = Lesson([], np.array(targets), tuple("abcdefgh"), ("?",), (), contents)
    rows = np.arange(len(images)).repeat(2)
    assert sorted(grouped(task, rows, size, np.random.default_rng(0))) == sorted(rows)


def test_what_counts_is_what_the_loss_takes() -> None:
    """One of four has both a like and an unlike; an image that is shown twice is no like of itself."""
    task = Lesson([], np.array([0, 1, 0, 2]), tuple("abc"), ("?",), (), ("x", "x", "y", "x"))
    assert counting(task, np.array([0, 1, 2, 3]), 4) == pytest.approx(1 / 4)
    assert counting(task, np.array([0, 1, 0, 3]), 4) == 0
    tokens = torch.randn(4, 1, 8)
    loss = Contrast(task.contents).loss(tokens, torch.tensor([0, 1, 0, 2]), np.array([0, 1, 0, 3]))
    assert loss is None
