"""Bias, spread and contradictions: what is planted is found, what is not there is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import score_fixture as world
from scipy import stats

from eyechart.quality.bias import bias
from eyechart.quality.contradiction import CASES, contradictions
from eyechart.quality.spread import spread_over_repeats, spread_over_templates
from eyechart.quality.tables import named, score_tables
from eyechart.report.tables import records
from eyechart.seeds import rng


def whole(scored: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    return scored.merge(wanted, on="image_id")


def test_a_planted_bias_is_found_and_no_other() -> None:
    wanted = world.targets(contents=20)
    scored = world.scores(wanted, templates=("one",), bias={"blur": 0.25}, noise=0.05)
    table = bias(whole(scored, wanted))[0]
    mine = table[table["by"] == "label"]
    (blur,) = records(mine[mine["group"] == "blur"])
    assert blur["bias_low"] > 0
    assert blur["p_holm"] < 0.001
    others = mine[mine["group"] != "blur"]
    assert (others["bias"] < 0).all()  # beside the others, which the curve was fitted to as well
    assert abs((mine["bias"] * mine["n"]).sum()) < 1e-3 * mine["n"].sum()


def test_a_bias_that_is_not_there_is_found_in_few_worlds_of_many() -> None:
    found = []
    for seed in range(60):
        wanted = world.targets(contents=12, images=8, seed=seed)
        table = bias(whole(world.scores(wanted, templates=("one",), seed=seed), wanted), seed)[0]
        found.append((table.loc[table["by"] == "label", "p_holm"] < 0.05).any())
    assert np.mean(found) < 0.15  # 5 % are expected; 0.15 is four standard errors above


def test_noise_is_no_bias_where_labels_differ_in_opinion() -> None:
    found = []
    for seed in range(30):
        wanted = world.targets(contents=24, images=8, seed=seed)
        wanted["target"] += wanted["label"].map({"clean": 0.2, "blur": -0.2}).fillna(0.0)
        scored = world.scores(wanted, templates=("one",), noise=0.15, seed=seed)
        table = bias(whole(scored, wanted), seed)[0]
        found.append((table.loc[table["by"] == "label", "p_holm"] < 0.05).any())
    assert np.mean(found) < 0.2  # 5 % are expected; opinion for equal score alarms in nearly all


def test_bias_changes_are_paired_with_base() -> None:
    wanted = world.targets(contents=20)
    base = world.scores(wanted, templates=("one",), noise=0.05)
    tuned = world.scores(wanted, arms=("vision",), templates=("one",), noise=0.05, bias={"jitter": -0.3})
    changes = bias(whole(pd.concat([base, tuned]), wanted))[1]
    (jitter,) = records(changes[changes["group"] == "jitter"])
    assert jitter["change_high"] < 0
    assert set(changes["arm"]) == {"vision"}


def test_shares_of_the_variance_by_hand() -> None:
    wanted = world.targets(contents=4, images=2)
    scored = world.scores(wanted, templates=("one", "two"), noise=0.0, shift=0.1)
    row = spread_over_templates(whole(scored, wanted)).iloc[0]
    of_images, of_shift = wanted["target"].var(), 0.1**2 / 2
    assert row["sd"] == pytest.approx(0.1 / np.sqrt(2))
    assert row["image_share"] == pytest.approx(of_images / (of_images + of_shift))
    assert row["shift_share"] == pytest.approx(of_shift / (of_images + of_shift))
    assert row["rest_share"] == pytest.approx(0, abs=1e-9)


def test_wordings_that_order_images_differently_are_the_rest() -> None:
    wanted = world.targets(contents=12)
    scored = world.scores(wanted, templates=("one", "two", "three"), noise=1.0)
    row = spread_over_templates(whole(scored, wanted)).iloc[0]
    assert row["rest_share_low"] > 0.5
    alone = scored[scored["template"] == "one"]
    assert spread_over_templates(whole(alone, wanted)).empty


def test_repeats_spread_as_they_were_drawn() -> None:
    wanted = world.targets(contents=12, images=8)
    draw = rng(0, "repeats")
    own = draw.normal(0.5, 0.2, len(wanted))
    parts = [
        world.scores(wanted, templates=("one",)).assign(
            readout="text", repeat=k, score=own + draw.normal(0, 0.1, len(wanted))
        )
        for k in range(1, 6)
    ]
    parts[0].loc[0, "score"] = np.nan
    row = spread_over_repeats(whole(pd.concat(parts), wanted)).iloc[0]
    assert row["repeats"] == 5
    assert row["unscored"] == pytest.approx(1 / (5 * len(wanted)))
    assert row["sd"] == pytest.approx(0.094, abs=0.01)  # 0.1 times c4(5), the bias of a standard deviation
    assert row["within_share"] == pytest.approx(0.01 / 0.05, abs=0.05)


def test_contradictions_are_those_of_the_definition() -> None:
    wanted = world.targets(contents=4, images=10)
    scored = world.scores(wanted, templates=("one",)).assign(score=np.arange(40) / 40)
    calls = np.array(["blur"] * 40, dtype=object)
    calls[:4], calls[20:24] = "clean", "clean"  # four in the lowest quarter, four in the middle
    calls[39] = None  # named nothing: counts nowhere
    table = whole(scored, wanted).merge(named(world.answers(wanted, calls)), on=["arm", "image_id"])
    found = contradictions(table, "clean").set_index("case")
    low, high = found.loc[CASES[0]], found.loc[CASES[1]]
    assert (low["n"], high["n"]) == (8, 31)
    assert low["rate"] == pytest.approx(4 / 8)
    assert low["unrelated"] == pytest.approx(10 / 39)
    assert high["rate"] == pytest.approx(10 / 31)
    assert high["least"] == pytest.approx((10 - 8) / 31)
    assert low["threshold"] == pytest.approx(np.quantile(np.arange(39) / 40, 0.25))


def test_names_and_scores_in_order_do_not_contradict() -> None:
    wanted = world.targets(contents=12, images=10)
    scored = world.scores(wanted, templates=("one",), noise=0.0)
    calls = np.where(wanted["target"] > wanted["target"].median(), "clean", "noise")
    table = whole(scored, wanted).merge(named(world.answers(wanted, calls)), on=["arm", "image_id"])
    found = contradictions(table, "clean")
    assert (found["rate"] == 0).all()
    unrelated = np.where(rng(0, "coin").random(len(wanted)) < 0.5, "clean", "noise")
    table["named"] = unrelated
    found = contradictions(table, "clean")
    assert ((found["rate_low"] < found["unrelated"]) & (found["unrelated"] < found["rate_high"])).all()


def test_no_contradiction_in_few_contents_is_no_proof() -> None:
    wanted = world.targets(contents=12, images=16)
    order = wanted["target"].rank(method="first")
    scored = world.scores(wanted, templates=("one",)).assign(score=order / len(wanted))
    calls = np.full(len(wanted), "blur", dtype=object)
    best = order > 0.75 * len(wanted)
    few = wanted.index[best & wanted["content"].isin(["c000", "c001", "c002", "c003"])][:6]
    calls[few] = "clean"
    table = whole(scored, wanted).merge(named(world.answers(wanted, calls)), on=["arm", "image_id"])
    low = contradictions(table, "clean").set_index("case").loc[CASES[0]]
    contents = low["contents"]
    assert (low["n"], low["rate"], low["rate_low"]) == (6, 0, 0)
    assert low["rate_high"] == pytest.approx(
        1 - 0.025 ** (1 / contents)
    )  # Clopper and Pearson, none of so many
    assert low["rate_high"] > low["unrelated"]
    calls[best] = "clean"
    table["named"] = calls
    low = contradictions(table, "clean").set_index("case").loc[CASES[0]]
    assert low["contents"] == 12
    exact = stats.binomtest(0, 12).proportion_ci(0.95, "exact")
    assert low["rate_high"] == pytest.approx(exact.high)


def test_tables_need_no_exam() -> None:
    wanted = world.targets()
    found = score_tables(world.scores(wanted), wanted)
    assert "score_contradictions" not in found
    assert set(found) == {"score_points", "score_agreement", "score_bias", "score_spread"}
    with_names = score_tables(world.scores(wanted), wanted, world.answers(wanted, wanted["label"]))
    assert set(with_names["score_bias"]["by"]) == {"label", "distortion", "named"}
