"""Probes find a planted signal and no absent one, know no content twice, and depend on no order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.inside.probes import Rows, folds, probe, reduced
from eyechart.measures.statistics import cluster_interval

LABELS = ("blur", "clean", "compression", "noise")
K, WIDTH = len(LABELS), 40


def table(contents: int, start: str = "t", each: int = 5) -> pd.DataFrame:
    """Return ``each`` images of every label of every content."""
    count = contents * K * each
    rows = np.arange(count)
    return pd.DataFrame({
        "image_id": [f"{start}{k:04d}" for k in rows], "content": [f"{start}{k // (K * each)}" for k in rows],
        "label": [LABELS[k % K] for k in rows],
    })  # fmt: skip


def values(tables: list[pd.DataFrame], signal: float, trace: float, seed: int = 0) -> NDArray[np.float32]:
    """Return features that carry the label and the content with some strength, in noise."""
    draw, whole = np.random.default_rng(seed), pd.concat(tables)
    labels = draw.normal(size=(K, WIDTH))[pd.factorize(whole["label"], sort=True)[0]]
    contents = draw.normal(size=(whole["content"].nunique(), WIDTH))[pd.factorize(whole["content"])[0]]
    noise = draw.normal(size=(len(whole), WIDTH))
    return (signal * labels + trace * contents + noise).astype(np.float32)


def accuracy(found: pd.DataFrame, kind: str = "probe") -> Any:
    part = found[found["kind"] == kind]
    return cluster_interval((part["predicted"] == part["label"]).astype(float), part["cluster"], 0)


def run(signal: float, trace: float, seed: int = 0, **settings: Any) -> pd.DataFrame:
    asked, learnt = table(8), table(9, "u")
    given = {"count": 4, "size": 20, **settings}
    return probe(values([asked, learnt], signal, trace, seed), Rows.of(asked, learnt), seed=seed, **given)


def test_a_planted_signal_is_found() -> None:
    found = run(3.0, 1.0)
    assert accuracy(found).low > 0.9
    assert accuracy(found, "shuffled").value < 0.45
    assert found.groupby("kind").size().to_dict() == {"probe": 160, "shuffled": 160}


def test_an_absent_signal_is_not_found() -> None:
    levels = [accuracy(run(0.0, 1.0, seed)).value for seed in range(4)]
    assert abs(np.mean(levels) - 1 / K) < 0.06


def test_what_only_the_content_tells_is_not_read_as_the_label() -> None:
    """Each content has mostly one label and a strong trace: known contents would be named without fail."""
    draw = np.random.default_rng(0)
    whole = table(32, each=3)
    own = np.array(LABELS)[pd.factorize(whole["content"])[0] % K]
    whole["label"] = np.where(draw.random(len(whole)) < 0.9, own, whole["label"])
    features = values([whole], 0.0, 6.0)
    assert abs(accuracy(probe(features, Rows.of(whole), 4, 20, 0)).value - 1 / K) < 0.12
    leaking = whole.assign(content=whole["image_id"])  # as if every image were of a content of its own
    assert accuracy(probe(features, Rows.of(leaking), 4, 20, 0)).value > 0.8


def test_no_content_is_learnt_from_and_asked_about() -> None:
    asked, learnt = table(7), table(9, "u")
    learnt.loc[:19, "content"] = "t0"  # a train split that shares a content with the test split
    rows = Rows.of(asked, learnt)
    found = list(folds(rows, 3, seed=1))
    assert len(found) == 3
    for fold in found:
        assert not set(rows.contents[fold.asked]) & set(rows.contents[fold.learnt])
        assert fold.learnt[~rows.asked].any()
        assert fold.learnt[rows.asked].any()
    assert np.array_equal(np.sum([fold.asked for fold in found], axis=0), rows.asked.astype(int))


def test_every_stage_has_the_same_dimension() -> None:
    asked, learnt = table(6), table(4, "u")
    rows = Rows.of(asked, learnt)
    fold = next(iter(folds(rows, 3, seed=0)))
    narrow = values([asked, learnt], 1.0, 1.0)[rows.order]
    wide = np.tile(narrow, 3) + np.random.default_rng(0).normal(size=(len(narrow), 3 * WIDTH))
    for features in (narrow, wide.astype(np.float32), 1e6 * narrow):
        known, unseen = reduced(features, fold, 12)
        assert (known.shape[1], unseen.shape[1]) == (12, 12)
        assert np.allclose(known.std(axis=0), 1, atol=1e-3)
    far = narrow.copy()
    far[fold.asked] += 100  # nothing of the images that are asked about enters the reduction
    assert np.array_equal(reduced(far, fold, 12)[0], reduced(narrow, fold, 12)[0])


def test_the_order_of_rows_and_the_number_of_runs_change_nothing() -> None:
    asked, learnt = table(6), table(4, "u")
    features = values([asked, learnt], 0.6, 1.0)
    first = probe(features, Rows.of(asked, learnt), 3, 12, 5, "stage")
    pd.testing.assert_frame_equal(first, probe(features, Rows.of(asked, learnt), 3, 12, 5, "stage"))
    alone = probe(features, Rows.of(asked, learnt), 3, 12, 5, "stage", control=False)
    pd.testing.assert_frame_equal(alone, first[first["kind"] == "probe"])
    order = np.random.default_rng(0).permutation(len(asked))
    moved = np.concatenate([features[: len(asked)][order], features[len(asked) :]])
    other = probe(moved, Rows.of(asked.iloc[order], learnt), 3, 12, 5, "stage")
    assert other["image_id"].tolist()[: len(asked)] == asked["image_id"].iloc[order].tolist()
    keys = ["kind", "image_id"]
    pd.testing.assert_frame_equal(
        first.sort_values(keys, ignore_index=True), other.sort_values(keys, ignore_index=True)
    )
    another = probe(features, Rows.of(asked, learnt), 3, 12, 6, "stage")
    assert (another["predicted"] != first["predicted"]).any()


def test_every_content_has_a_shuffle_of_its_own_up_to_a_number() -> None:
    few, many = run(1.0, 1.0), table(60, each=1)
    assert few["cluster"].equals(few["content"])
    found = probe(values([many], 1.0, 1.0), Rows.of(many), 5, 12, 0)
    shuffled = found[found["kind"] == "shuffled"]
    assert shuffled["cluster"].nunique() == 25
    assert (found.loc[found["kind"] == "probe", "cluster"] == many["content"].to_numpy()).all()


def test_what_cannot_be_probed_is_told() -> None:
    one = table(1)
    with pytest.raises(EyechartError, match="fewer than two labels or contents"):
        probe(values([one], 1.0, 1.0), Rows.of(one), 4, 12, 0)
    features = values([table(4)], 1.0, 1.0)
    features[3, 3] = np.inf
    with pytest.raises(EyechartError, match="states of encoder 1 hold numbers that are not finite"):
        probe(features, Rows.of(table(4)), 4, 12, 0, "encoder 1")
