"""Signal detection on yes-no answers against SciPy, scikit-learn and a published worked case."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from answers import ABC, answers, scored
from scipy import stats

from eyechart.measures.accuracy import exam_table
from eyechart.measures.signal import detection
from eyechart.measures.statistics import bootstrap


def seen(n: int = 300, strength: float = 1.5, bias: float = -0.5, seed: int = 0) -> pd.DataFrame:
    """Return log odds of normal noise, shifted by ``strength`` where the label is there: d' = strength."""
    generator = np.random.default_rng(seed)
    label = list(generator.choice(ABC, n, p=[0.5, 0.3, 0.2]))
    odds = generator.normal(bias, 1, (n, 3)) + strength * (np.array(label)[:, None] == np.array(ABC))
    content = [f"content {i // 6}" for i in range(n)]
    return scored(label, odds, readout="yes-no", kind="yes-no", content=content)  # type: ignore[arg-type]


def test_rates_by_hand_with_the_log_linear_correction() -> None:
    """Label a: 3 of 4 hits, 0 of 2 false alarms."""
    odds = np.array([[1.0, -1, -1]] * 3 + [[-1.0, -1, -1]] * 3)
    found = detection(scored(list("aaaabc"), odds, readout="yes-no"), ABC).set_index("label").loc["a"]
    hit, alarm = 3.5 / 5, 0.5 / 3
    assert (found["present"], found["absent"]) == (4, 2)
    assert (found["hit_rate"], found["false_alarm_rate"]) == pytest.approx((hit, alarm))
    assert found["d_prime"] == pytest.approx(stats.norm.ppf(hit) - stats.norm.ppf(alarm))
    assert found["criterion"] == pytest.approx(-(stats.norm.ppf(hit) + stats.norm.ppf(alarm)) / 2)


def test_perfect_rates_have_a_finite_d_prime() -> None:
    odds = np.where(np.eye(3)[[0, 0, 1, 1, 2, 2]] == 1, 2.0, -2.0)
    found = detection(scored(list("aabbcc"), odds, readout="yes-no"), ABC)
    assert np.isfinite(found["d_prime"]).all()
    assert found["d_prime"].iloc[0] == pytest.approx(stats.norm.ppf(2.5 / 3) - stats.norm.ppf(0.5 / 5))
    assert (found["auc"] == 1).all()


@pytest.mark.parametrize("odds", [-1.0, 1.0])
def test_answers_that_never_vary_tell_nothing(odds: float) -> None:
    """With the correction alone, 3 images of a and 9 others would show a d' of +0.5 or -0.5."""
    found = detection(scored(list("aaabbbbbbccc"), np.full((12, 3), odds), readout="yes-no"), ABC)
    assert found[["d_prime", "d_prime_low", "d_prime_high"]].isna().all(axis=None)
    assert found["criterion"].notna().all()
    varied = np.full((12, 3), odds)
    varied[0] *= -1
    assert detection(scored(list("aaabbbbbbccc"), varied, readout="yes-no"), ABC)["d_prime"].notna().all()


def test_auc_is_scikit_learns() -> None:
    from sklearn.metrics import roc_auc_score

    table = seen()
    odds = np.round(np.stack(table["logp"].to_list()), 1)  # with ties
    table = scored(table["label"].tolist(), odds, readout="yes-no")
    found = detection(table, ABC)
    for i, name in enumerate(ABC):
        assert found["auc"].iloc[i] == pytest.approx(roc_auc_score(table["label"] == name, odds[:, i]))


def test_planted_strength_and_bias_are_found() -> None:
    found = detection(seen(n=6000), ABC)
    assert found["d_prime"].to_numpy() == pytest.approx(np.full(3, 1.5), abs=0.12)
    assert found["criterion"].to_numpy() == pytest.approx(np.full(3, 0.5 - 0.75), abs=0.08)
    inside = found["d_prime_low"].lt(1.5) & found["d_prime_high"].gt(1.5)
    assert inside.sum() >= 2
    assert detection(seen(n=600, strength=0.0), ABC)["d_prime_low"].max() < 0.2


def test_the_areas_interval_is_that_of_resampled_contents() -> None:
    """The first-order form against ranks computed anew in every resample."""
    from sklearn.metrics import roc_auc_score

    table = seen(n=240)
    found = detection(table, ABC, seed=1).iloc[0]
    true = (table["label"] == "a").to_numpy(dtype=float)
    odds = np.array([row[0] for row in table["logp"]])
    content = table["content"].astype("category").cat.codes.to_numpy()

    def anew(drawn: np.ndarray) -> np.ndarray:
        rows = [np.repeat(np.arange(240), weights[content].astype(int)) for weights in drawn]
        return np.array([roc_auc_score(true[i], odds[i]) for i in rows])

    _, low, high = bootstrap(np.eye(40), anew, seed=1, n=1000)
    assert (found["auc_low"], found["auc_high"]) == pytest.approx((float(low), float(high)), abs=0.012)


def test_a_label_without_images_is_unknown() -> None:
    odds = np.array([[1.0, -1, -1], [-1.0, 1, -1]])
    found = detection(scored(["a", "b"], odds, readout="yes-no"), ABC).set_index("label")
    assert found.loc["c", ["hit_rate", "d_prime", "auc"]].isna().all()
    assert found.loc["a"]["d_prime"] > 0


def test_only_yes_no_answers_are_read_and_they_have_an_accuracy() -> None:
    table = pd.concat([seen(), answers(["a"], ["a"], readout="generate").assign(logp=None)])
    assert set(detection(table, ABC)["readout"]) == {"yes-no"}
    assert exam_table(table, ABC)["readout"].tolist() == ["yes-no", "generate"]
