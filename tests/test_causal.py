"""Pairs of clean and distorted images, log-odds, effects with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy.special import logsumexp

torch = pytest.importorskip("torch")

import tiny  # noqa: E402

from eyechart.distort import psnr  # noqa: E402
from eyechart.inside.causal import DIRECTIONS, effects, log_odds, patched_pairs  # noqa: E402
from eyechart.inside.pairs import find_pairs  # noqa: E402
from eyechart.subjects.model import ModelSubject, Pixels  # noqa: E402

STAGES = (0, 1, 2)


class Pictures:
    """Four contents with three clean crops each, and a brighter and a noisier version of some crop."""

    def __init__(self) -> None:
        self.images: dict[str, Pixels] = {}
        rows = []
        for content in range(4):
            crops = tiny.images(3, seed=content)
            rows += [
                self._row(f"{content}/clean/{i}", content, "none", crop, crop) for i, crop in enumerate(crops)
            ]
            made = {"noise": crops[content % 3] // 2 + 60, "blur": 255 - crops[(content + 1) % 3]}
            for label, image in made.items():
                clean = crops[(content + (label == "blur")) % 3]
                rows.append(self._row(f"{content}/{label}", content, label, image, clean))
        self.table = pd.DataFrame(rows)

    def _row(
        self, name: str, content: int, distortion: str, image: Pixels, clean: Pixels
    ) -> dict[str, object]:
        self.images[name] = image
        label, level = ("clean", 0) if distortion == "none" else (distortion, 3 + content % 2)
        told = {"image_id": name, "content": f"c{content}", "label": label, "distortion": distortion}
        return told | {"level": level, "psnr": psnr(image, clean), "height": 112, "width": 112}

    def load(self, names: Sequence[str]) -> list[Pixels]:
        return [self.images[name] for name in names]


def test_partners_are_the_same_crop() -> None:
    shown = Pictures()
    pairs = find_pairs(shown.table, shown.table, shown.load, 24)
    assert len(pairs) == 8
    for row in pairs.itertuples():
        place = (int(str(row.content)[1:]) + (row.label == "blur")) % 3
        assert row.clean_id == f"{str(row.content)[1:]}/clean/{place}"
    few = find_pairs(shown.table, shown.table, shown.load, 4)
    assert sorted(few["content"]) == ["c0", "c1", "c2", "c3"]
    assert few["label"].value_counts().to_dict() == {"noise": 2, "blur": 2}


def test_an_image_without_a_partner_is_left_out() -> None:
    shown = Pictures()
    gone = shown.table[~shown.table["image_id"].isin(["0/clean/0", "3/clean/0", "3/clean/1", "3/clean/2"])]
    pairs = find_pairs(gone, gone, shown.load, 24)
    assert sorted(pairs["image_id"]) == ["0/blur", "1/blur", "1/noise", "2/blur", "2/noise"]
    assert find_pairs(shown.table, shown.table.query("label != 'clean'"), shown.load, 24).empty


def test_log_odds_are_those_of_the_candidates_alone() -> None:
    logp = np.log([[0.2, 0.1, 0.1], [1e-9, 2e-9, 5e-9]])
    assert log_odds(logp, np.array([0, 2])) == pytest.approx([0, np.log(5 / 3)])
    wild = np.random.default_rng(0).normal(-500, 300, (5, 6))
    own = np.array([0, 5, 2, 2, 1])
    p = wild - logsumexp(wild, axis=1, keepdims=True)
    right = p[np.arange(5), own]
    expected = [right[i] - logsumexp(np.delete(p[i], own[i])) for i in range(5)]
    assert log_odds(wild, own) == pytest.approx(expected)
    assert np.isfinite(log_odds(np.array([[0.0, -5000.0, -9000.0]]), np.array([0]))).all()


@pytest.fixture(scope="module")
def patched(internvl: ModelSubject) -> pd.DataFrame:
    shown = Pictures()
    pairs = find_pairs(shown.table, shown.table, shown.load, 24)
    return patched_pairs(internvl, pairs, shown.load, "What is it?", tiny.LABELS, STAGES, batch=5)


def test_the_ends_are_exact(patched: pd.DataFrame, internvl: ModelSubject) -> None:
    assert len(patched) == 8 * 2 * (3 + 2)
    found = effects(patched).set_index(["positions", "order", "direction"])
    assert found.index.tolist() == [
        (where, order, way)
        for where, orders in (("image", STAGES), ("answer", STAGES[1:]))
        for order in orders
        for way in DIRECTIONS
    ]
    for way in DIRECTIONS:
        for end, value in ((("image", 0), 1), (("image", 2), 0), (("answer", 2), 1)):
            (row,) = found.loc[[(*end, way)]].to_dict("records")
            assert (row["effect"], row["low"], row["high"]) == (value, value, value)
    assert (found["pairs"] + found["alike"] == 8).all()
    one = patched[(patched["stage"] == "projector output") & (patched["direction"] == "into clean")]
    asked = internvl.choose(Pictures().load(one["clean_id"].tolist()), "What is it?", tiny.LABELS)
    own = np.array([tiny.LABELS.index(label) for label in one["label"]])
    assert log_odds(asked, own) == pytest.approx(one["clean"].to_numpy(), abs=1e-3)


def rows_of(clean: ArrayLike, distorted: ArrayLike, patched: ArrayLike) -> pd.DataFrame:
    columns: dict[str, Any] = {"clean": clean, "distorted": distorted, "patched": patched}
    table = pd.DataFrame(columns)
    table["content"] = [f"c{i // 2}" for i in range(len(table))]
    return table.assign(stage="language 1", order=1, positions="image", direction="into clean")


def test_an_effect_is_a_ratio_of_means() -> None:
    table = rows_of([0, 0, 1, 1], [4, 2, 1.1, 3], np.array([2, 2, 1.1, 1]))
    row = effects(table).iloc[0]
    assert row["effect"] == pytest.approx((2 + 2 + 0.1 + 0) / (4 + 2 + 0.1 + 2))
    assert row["shift"] == pytest.approx(8.1 / 4)
    assert (row["pairs"], row["alike"], row["contents"]) == (4, 0, 2)
    back = rows_of(table["clean"], table["distorted"], np.array([3, 2, 1.1, 1])).assign(
        direction="into distorted"
    )
    assert effects(back).iloc[0]["effect"] == pytest.approx((1 + 0 + 0 + 2) / 8.1)


def test_pairs_that_do_not_differ_are_counted_not_divided_by() -> None:
    table = rows_of([0, 0, 1, 1], [2, 2, 1, 1 + 1e-5], np.array([1, 1, 7, -7]))
    row = effects(table).iloc[0]
    assert (row["pairs"], row["alike"], row["effect"]) == (2, 2, 0.5)
    nothing = effects(table.iloc[2:]).iloc[0]
    assert (nothing["pairs"], nothing["alike"]) == (0, 2)
    assert np.isnan(nothing["effect"])


def test_the_interval_is_that_of_contents() -> None:
    draw = np.random.default_rng(1)
    share = np.repeat(draw.uniform(0.2, 0.8, 15), 2)
    table = rows_of(np.zeros(30), np.full(30, 2.0), 2 * share)
    row = effects(table, seed=1).iloc[0]
    assert row["low"] < share.mean() < row["high"]
    assert row["high"] - row["low"] == pytest.approx(2 * 2.145 * share[::2].std(ddof=1) / 15**0.5, rel=0.2)
    assert (row["shift"], row["shift_low"], row["shift_high"]) == (2, 2, 2)
