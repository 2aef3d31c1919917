"""What training shows: every image alike often, or every cell; held-out contents never; by rows of a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyechart.dataset import DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.tune.batches import held_out, order
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
