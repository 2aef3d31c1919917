"""Agreement of scores with opinions: against scipy, and properties that any such measure has."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import score_fixture as world
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import curve_fit

from eyechart.quality.agreement import ALL, agreement
from eyechart.quality.correlation import Kendall, pearson, spearman
from eyechart.quality.mapping import fit, logistic
from eyechart.quality.resampling import Resamples
from eyechart.report.tables import records
from eyechart.seeds import rng

Floats = NDArray[np.float64]
COUNTS = st.integers(0, 2**31)


def drawn(seed: int, n: int = 40, ties: bool = True) -> tuple[Floats, Floats]:
    draw = rng(seed, "pairs")
    x = draw.normal(size=n)
    y = x + draw.normal(size=n)
    return (x.round(1), y.round(1)) if ties else (x, y)


@given(COUNTS)
@settings(max_examples=25, deadline=None)
def test_a_weight_stands_for_copies_of_a_row(seed: int) -> None:
    x, y = drawn(seed)
    content = np.arange(len(x)) % 9
    weights = rng(seed, "weights").integers(0, 4, 9).astype(float)
    own = weights[content]
    copies = np.repeat(np.arange(len(x)), own.astype(int))
    if len(set(x[copies])) < 2 or len(set(y[copies])) < 2:
        return
    assert pearson(x, y, own[None])[0] == pytest.approx(stats.pearsonr(x[copies], y[copies])[0])
    assert spearman(x, y, own[None])[0] == pytest.approx(stats.spearmanr(x[copies], y[copies])[0])
    tau = Kendall(x, y, content, 9)(weights[None])[0]
    assert tau == pytest.approx(stats.kendalltau(x[copies], y[copies])[0])


@given(COUNTS)
@settings(max_examples=25, deadline=None)
def test_rank_correlations_know_no_scale(seed: int) -> None:
    x, y = drawn(seed)
    one = np.ones((1, len(x)))
    group = np.arange(len(x))
    stretched = np.exp(3 * x) + x
    assert spearman(stretched, y, one)[0] == pytest.approx(spearman(x, y, one)[0])
    tau = Kendall(x, y, group, len(x))(one)[0]
    assert Kendall(stretched, y, group, len(x))(one)[0] == pytest.approx(tau)
    assert Kendall(-x, y, group, len(x))(one)[0] == pytest.approx(-tau)


def test_what_does_not_vary_has_no_correlation() -> None:
    x, y = np.full(5, 0.3), np.arange(5.0)
    assert np.isnan(spearman(x, y, np.ones((1, 5)))[0])
    assert np.isnan(Kendall(x, y, np.arange(5), 5)(np.ones((1, 5)))[0])
    assert fit(x, y).kind == "none"
    assert fit(x, y)(x).tolist() == [2.0] * 5


@given(st.floats(0.6, 1.0), st.floats(0.0, 0.4), st.floats(0.3, 0.7), st.floats(0.05, 0.3), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_logistic_is_found_again(b1: float, b2: float, b3: float, b4: float, falls: bool) -> None:
    x = np.linspace(0, 1, 60)
    y = logistic(x, b2, b1, b3, b4) if falls else logistic(x, b1, b2, b3, b4)
    found = fit(x, y)
    assert found.kind == "logistic"
    assert found.rises is not falls
    np.testing.assert_allclose(found(x), y, atol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_plcc_and_rmse_are_those_of_the_published_protocol(seed: int) -> None:
    """The protocol of pyiqa's benchmark: this function, this start, scipy's curve_fit, then Pearson's r."""
    draw = rng(seed, "protocol")
    x = draw.uniform(0.2, 0.9, 150)
    y = logistic(x, 4.6, 1.2, 0.55, 0.09) + draw.normal(0, 0.3, 150)

    def published(s: Floats, b1: float, b2: float, b3: float, b4: float) -> Floats:
        return (b1 - b2) / (1 + np.exp(-(s - b3) / b4)) + b2

    start = [y.max(), y.min(), x.mean(), x.std() / 4]
    expected = published(x, *curve_fit(published, x, y, start, maxfev=10_000)[0])
    found = fit(x, y)(x)
    assert stats.pearsonr(found, y)[0] == pytest.approx(stats.pearsonr(expected, y)[0], abs=1e-6)
    assert np.mean((found - y) ** 2) == pytest.approx(np.mean((expected - y) ** 2), rel=1e-6)


def test_a_line_stands_in_where_the_logistic_is_worse() -> None:
    x = np.array([0.0, 1.0, 0.5, 0.2])
    assert fit(x, 2 * x + 1).kind in ("logistic", "linear")
    np.testing.assert_allclose(fit(x, 2 * x + 1)(x), 2 * x + 1, atol=1e-2)


def test_agreement_is_scipys_and_says_what_is_missing() -> None:
    wanted = world.targets()
    scored = world.scores(wanted, templates=("one",))
    scored.loc[3, "score"] = np.nan
    row = agreement(scored.merge(wanted, on="image_id"))[0].iloc[0]
    known = scored["score"].notna()
    x, y = scored.loc[known, "score"].to_numpy(), wanted.loc[known, "target"].to_numpy()
    assert (row["n"], row["unscored"], row["contents"]) == (len(x), 1, 12)
    assert row["srcc"] == pytest.approx(stats.spearmanr(x, y)[0])
    assert row["krcc"] == pytest.approx(stats.kendalltau(x, y)[0])
    mapped = fit(x, y)(x)
    assert row["plcc"] == pytest.approx(stats.pearsonr(mapped, y)[0])
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean((mapped - y) ** 2)))
    for name in ("srcc", "plcc", "krcc", "rmse"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_scores_that_run_against_opinion_are_not_flattered() -> None:
    wanted = world.targets()
    scored = world.scores(wanted, templates=("one",))
    scored["score"] = 1 - scored["score"]
    row = agreement(scored.merge(wanted, on="image_id"))[0].iloc[0]
    assert row["srcc"] < -0.5
    assert row["plcc"] < -0.5


def test_corpora_are_averaged_and_not_pooled() -> None:
    wanted = world.targets()
    wanted.loc[wanted.index % 2 == 0, "corpus"] = "kadid10k"
    scored = world.scores(wanted, templates=("one",))
    scored.loc[wanted["corpus"] == "photos", "score"] += 5  # another scale
    one, two, both = records(agreement(scored.merge(wanted, on="image_id"))[0])
    assert both["corpus"] == ALL
    assert both["srcc"] == pytest.approx((one["srcc"] + two["srcc"]) / 2)
    assert both["srcc"] > 0.7
    assert both["n"] == len(wanted)
    assert both["contents"] == wanted["content"].nunique()  # each is in both corpora


def test_scores_that_know_nothing_have_no_plcc_beyond_chance() -> None:
    found = []
    for seed in range(30):
        wanted = world.targets(contents=12, images=10, seed=seed)
        scored = world.scores(wanted, templates=("one",), seed=seed)
        scored["score"] = rng(seed, "blind").normal(0.5, 0.1, len(scored))
        row = agreement(scored.merge(wanted, on="image_id"), seed)[0].iloc[0]
        if row["srcc_low"] <= 0 <= row["srcc_high"]:
            assert np.isnan([row["plcc_low"], row["plcc_high"]]).all()
        found.append(row["plcc_low"] > 0 or row["plcc_high"] < 0)
    assert np.mean(found) < 0.2  # 5 % are expected; the curve kept in every resample gives a third


def test_changes_are_paired() -> None:
    wanted = world.targets(contents=20)
    better = world.scores(wanted, arms=("vision",), noise=0.02, templates=("one",))
    base = world.scores(wanted, noise=0.3, templates=("one",))
    table, changes = agreement(pd.concat([base, better]).merge(wanted, on="image_id"))
    row = changes.iloc[0]
    of = table.set_index("arm")["srcc"]
    assert row["srcc"] == pytest.approx(of["vision"] - of["base"])
    assert row["srcc_low"] > 0
    same = pd.concat([base, base.assign(arm="vision")]).merge(wanted, on="image_id")
    nothing = agreement(same)[1].iloc[0]
    assert (nothing["srcc"], nothing["srcc_low"], nothing["srcc_high"]) == (0, 0, 0)


def test_very_many_contents_are_pooled_without_narrowing_the_interval() -> None:
    draw = rng(0, "many")
    x = draw.normal(size=1200)
    y = x + draw.normal(size=1200)
    content = [f"{i:04d}" for i in range(1200)]
    resamples = Resamples.of(content, 0)
    assert resamples.weights.shape[1] < 1200
    found = resamples.each(content, lambda weights: pearson(x, y, weights)[:, None])
    value, low, high = (float(one[0]) for one in resamples.interval(found))
    expected = stats.pearsonr(x, y).confidence_interval(0.95)
    assert value == pytest.approx(stats.pearsonr(x, y)[0])
    assert high - low == pytest.approx(expected.high - expected.low, rel=0.15)
