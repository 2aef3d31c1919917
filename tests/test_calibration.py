"""Calibration and the ways to read a choice against scikit-learn, torchmetrics and hand-worked cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from answers import ABC, answers, scored
from scipy import stats
from scipy.special import log_softmax, softmax

from eyechart.errors import EyechartError
from eyechart.measures.calibration import calibration, reliability
from eyechart.measures.choosing import answer_prior, prior_bias, readings


def choices(n: int = 400, sharpness: float = 1.0, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Return labels and log-likelihoods; with sharpness 1 the labels are drawn with the told probability."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(0, 1.5, (n, 3))
    label = [str(generator.choice(ABC, p=softmax(row))) for row in scores]
    return label, log_softmax(scores * sharpness, axis=1) - 5  # a candidate's own likelihood is a small one


def test_brier_and_nll_are_scikit_learns() -> None:
    from sklearn.metrics import brier_score_loss, log_loss

    label, logp = choices()
    found = calibration(scored(label, logp), ABC).iloc[0]
    p = softmax(logp, axis=1)
    assert found["nll"] == pytest.approx(log_loss(label, p, labels=list(ABC)))
    theirs = brier_score_loss(label, p, labels=list(ABC), scale_by_half=False)
    assert found["brier"] == pytest.approx(theirs)
    assert found["confidence"] == pytest.approx(p.max(axis=1).mean())
    for name in ("nll", "brier", "ece", "overconfidence"):
        assert found[f"{name}_low"] < found[f"{name}_high"]


def test_the_bins_are_scikit_learns() -> None:
    from sklearn.calibration import calibration_curve

    label, logp = choices(2000)
    p = softmax(logp, axis=1)
    right = np.array(ABC)[p.argmax(axis=1)] == label
    share, mean = calibration_curve(right, p.max(axis=1), n_bins=15)
    found = reliability(scored(label, logp), ABC)
    assert found["accuracy"].to_numpy() == pytest.approx(share)
    assert found["confidence"].to_numpy() == pytest.approx(mean)
    weights = found["n"] / 2000
    ece = calibration(scored(label, logp), ABC).iloc[0]["ece"]
    assert ece == pytest.approx((weights * np.abs(share - mean)).sum())
    assert (found["bin_low"] <= found["confidence"]).all()
    assert (found["confidence"] <= found["bin_high"]).all()


def test_the_error_is_torchmetrics() -> None:
    functional = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed"
    )
    import torch

    label, logp = choices()
    theirs = functional.multiclass_calibration_error(
        torch.tensor(softmax(logp, axis=1)),
        torch.tensor([ABC.index(name) for name in label]),
        num_classes=3,
        n_bins=15,
    )
    assert calibration(scored(label, logp), ABC).iloc[0]["ece"] == pytest.approx(float(theirs), abs=1e-6)


def test_an_error_worked_by_hand() -> None:
    """Two are 0.9 sure and one of them right, two are 0.5 sure and both right."""
    p = np.array([[0.9, 0.05, 0.05], [0.9, 0.05, 0.05], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25]])
    found = calibration(scored(["a", "b", "b", "b"], np.log(p)), ABC).iloc[0]
    assert found["ece"] == pytest.approx((0.4 + 0.5) / 2)
    assert found["overconfidence"] == pytest.approx((0.4 - 0.5) / 2)
    sure = np.log(np.array([[1, 1e-300, 1e-300]] * 3))
    assert calibration(scored(["a", "a", "a"], sure), ABC).iloc[0]["ece"] == pytest.approx(0)


def test_too_sure_is_told_from_calibrated() -> None:
    honest, sharp = (calibration(scored(*choices(3000, sharpness)), ABC).iloc[0] for sharpness in (1.0, 3.0))
    assert honest["overconfidence_low"] < 0 < honest["overconfidence_high"]
    assert sharp["overconfidence_low"] > 0.05
    assert sharp["ece"] > honest["ece"] + 0.05


def test_what_has_no_likelihoods_has_no_calibration() -> None:
    text = answers(["a"], ["a"], readout="generate")
    assert calibration(text, ABC).empty
    assert reliability(text, ABC).empty
    assert readings(text, ABC).empty


def biased(n: int = 300) -> pd.DataFrame:
    """Return choices of a subject that sees well but likes "c" so much that it names it too often."""
    generator = np.random.default_rng(3)
    label = list(generator.choice(ABC, n))
    prior = np.array([-3.0, -2.5, -0.5])
    seen = 2.0 * (np.array(label)[:, None] == np.array(ABC)) + generator.normal(0, 0.5, (n, 3))
    logp = prior + seen
    lengths = np.array([1, 2, 3])
    first = logp.copy()
    first[:, 1] = first[:, 0]  # "a" and "b" begin with the same token
    columns = {"logp_mean": list(logp / lengths), "logp_prior": [prior] * n, "logp_first": list(first)}
    return scored(label, logp).assign(**columns)


def test_each_reading_is_an_accuracy_of_its_own() -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    table = biased()
    found = readings(table, ABC).set_index("reading")
    logp, mean, prior = (np.stack(table[name].to_list()) for name in ("logp", "logp_mean", "logp_prior"))
    for name, score in (("full", logp), ("per token", mean), ("prior-corrected", logp - prior)):
        named = np.array(ABC)[score.argmax(axis=1)]
        assert found.loc[name, "accuracy"] == pytest.approx(accuracy_score(table["label"], named))
        balanced = balanced_accuracy_score(table["label"], named)
        assert found.loc[name, "balanced_accuracy"] == pytest.approx(balanced)
    assert found.loc["full"]["accuracy"] == table["correct"].mean()
    assert found.loc["prior-corrected"]["difference_low"] > 0.2
    assert (found.loc["full", ["difference", "difference_low", "difference_high"]] == 0).all()


def test_a_tie_counts_by_halves() -> None:
    table = scored(["a", "b", "c"], np.tile([1.0, 1.0, 0.0], (3, 1)))
    assert readings(table, ABC).iloc[0]["accuracy"] == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_labels_in_another_order_are_refused() -> None:
    for measure in (calibration, readings, prior_bias):
        with pytest.raises(EyechartError, match="not those of b, a, c"):
            measure(biased(), ("b", "a", "c"))


def test_readings_that_are_not_stored_are_left_out() -> None:
    table = biased()[["image_id", "content", "label", *GROUP_COLUMNS, "predicted", "logp"]]
    assert list(readings(table, ABC)["reading"]) == ["full"]
    assert prior_bias(table, ABC).empty
    some = biased()
    some["logp_prior"] = some["logp_prior"].where(some.index > 0, None)
    assert "prior-corrected" not in set(readings(some, ABC)["reading"])


GROUP_COLUMNS = ["arm", "template", "template_split", "readout"]


def test_the_prior_is_told_and_held_against_the_answers() -> None:
    table = biased()
    prior = softmax([-3.0, -2.5, -0.5])
    each = answer_prior(table, ABC)
    assert each["prior"].to_numpy() == pytest.approx(prior)
    shares = table["predicted"].value_counts(normalize=True).reindex(ABC).fillna(0).to_numpy()
    assert each["predicted_share"].to_numpy() == pytest.approx(shares)
    assert each["true_share"].sum() == pytest.approx(1)
    found = prior_bias(table, ABC).iloc[0]
    assert found["favourite"] == "c"
    assert found["entropy"] == pytest.approx(stats.entropy(prior))
    assert found["kl_from_uniform"] == pytest.approx(stats.entropy(prior, np.full(3, 1 / 3)))
    assert found["correlation"] == pytest.approx(stats.pearsonr(prior, shares).statistic)
    assert found["correlation_low"] > 0.5


def test_an_even_prior_has_no_correlation() -> None:
    table = biased()
    table["logp_prior"] = pd.Series([np.full(3, -1.0)] * len(table))
    found = prior_bias(table, ABC).iloc[0]
    assert found["kl_from_uniform"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["correlation"])
