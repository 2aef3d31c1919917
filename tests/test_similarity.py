"""CKA against other routes to the published formulas, its invariances; neighbours and gap by hand."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from eyechart.inside.gap import Bundle, cone, gap, vocabulary_cone
from eyechart.inside.similarity import (
    cka,
    gram,
    jackknife,
    nearest,
    overlap,
    purity,
    samples,
    standardised,
)

Doubles = NDArray[np.float64]
N = 30
CONTENTS = np.array([f"c{i % 6}" for i in range(N)], dtype=object)


def pair(seed: int = 0, n: int = N) -> tuple[Doubles, Doubles]:
    """Return two related representations of different width."""
    draw = np.random.default_rng(seed)
    one = draw.normal(size=(n, 5)) + 3
    other: Doubles = one @ draw.normal(size=(5, 9)) + draw.normal(size=(n, 9))
    return one, other


def everything(n: int = N) -> NDArray[np.bool_]:
    return np.ones((n, 1), bool)


def both(one: Doubles, other: Doubles, **how: Any) -> float:
    return float(cka(gram(one), gram(other), everything(len(one)), **how)[0])


def plain_hsic(one: Doubles, other: Doubles) -> float:
    """HSIC with centred Gram matrices, in torch: Gretton et al. (2005), eq. 9."""
    k, m = (torch.tensor(x) @ torch.tensor(x).T for x in (one, other))
    h = torch.eye(len(k), dtype=torch.float64) - 1 / len(k)
    return float(torch.trace(k @ h @ m @ h))


def unbiased_hsic(one: Doubles, other: Doubles) -> float:
    """The U-statistic itself: Song et al. (2012), eq. 4, a mean over quadruples of different images."""
    k, m = one @ one.T, other @ other.T
    found = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in permutations(range(len(one)), 4)]
    return float(np.mean(found))


def test_plain_cka_is_the_published_one_by_two_routes() -> None:
    one, other = pair()
    by_grams = plain_hsic(one, other) / np.sqrt(plain_hsic(one, one) * plain_hsic(other, other))
    x, y = (torch.tensor(v - v.mean(0)) for v in (one, other))
    by_features = float((y.T @ x).norm() ** 2 / ((x.T @ x).norm() * (y.T @ y).norm()))
    assert both(one, other, debiased=False) == pytest.approx(by_grams, rel=1e-9)
    assert both(one, other, debiased=False) == pytest.approx(by_features, rel=1e-9)


def test_debiased_cka_is_that_of_the_u_statistic() -> None:
    one, other = pair(n=9)
    by_hand = unbiased_hsic(one, other) / np.sqrt(unbiased_hsic(one, one) * unbiased_hsic(other, other))
    assert both(one, other) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("debiased", [True, False])
def test_cka_knows_no_turn_no_shift_and_no_scale(debiased: bool) -> None:
    one, other = pair()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    expected = both(one, other, debiased=debiased)
    assert both(-7 * one @ turn + 100, other, debiased=debiased) == pytest.approx(expected, rel=1e-8)
    assert both(other, one, debiased=debiased) == pytest.approx(expected, rel=1e-12)
    assert both(one, one @ turn, debiased=debiased) == pytest.approx(1)
    stretched = one * np.array([1, 1, 1, 1, 50.0])  # but it does know a stretch
    assert both(stretched, other, debiased=debiased) != pytest.approx(expected, rel=0.01)


def test_only_the_debiased_cka_sees_that_wide_noise_has_nothing_in_common() -> None:
    found = []
    for seed in range(20):
        draw = np.random.default_rng(seed)
        one, other = draw.normal(size=(2, 40, 400))
        found.append([both(one, other), both(one, other, debiased=False)])
    debiased, plain = np.mean(found, axis=0)
    assert abs(debiased) < 0.02
    assert plain > 0.8


def test_samples_leave_out_one_content_after_the_other() -> None:
    one, other = pair()
    left = samples(CONTENTS, 50, 0)
    assert left.shape == (N, 7)
    assert left[:, 0].all()
    whole = cka(gram(one), gram(other), left)
    for k in range(7):
        assert whole[k] == pytest.approx(both(one[left[:, k]], other[left[:, k]]), rel=1e-9)
        assert len(set(CONTENTS[~left[:, k]])) == (k > 0)
    assert samples(CONTENTS, 2, 0).shape == (N, 3)


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=12)
    without = (values.sum() - values) / 11
    found = jackknife(np.concatenate([[values.mean()], without]), (-9, 9))
    reach = 2.200985 * values.std(ddof=1) / np.sqrt(12)  # Student's t with 11 degrees of freedom
    assert (found.value, found.low) == pytest.approx((values.mean(), values.mean() - reach))
    assert jackknife(np.array([0.9, 0.5, 1.0]), (0, 1)).high == 1
    assert np.isnan(jackknife(np.array([0.9, 0.5]), (0, 1)).low)


def test_neighbours_are_those_of_scikit_learn_in_every_sample() -> None:
    one, other = (standardised(values) for values in pair())
    left, k = samples(CONTENTS, 50, 0), 4
    found = overlap(nearest(one, 15), nearest(other, 15), left, k)
    for sample, share in zip(left.T, found, strict=True):
        ours, theirs = (
            NearestNeighbors(n_neighbors=k).fit(values[sample]).kneighbors(return_distance=False)
            for values in (one, other)
        )
        by_hand = np.mean([len(set(a) & set(b)) / k for a, b in zip(ours, theirs, strict=True)])
        assert share == pytest.approx(by_hand)
    assert overlap(nearest(one, 15), nearest(one, 15), left, k).tolist() == [1.0] * 7


def test_purity_leaves_neighbours_of_the_own_content_out() -> None:
    labels = np.array([f"l{i // 6 % 2}" for i in range(N)], dtype=object)
    place = np.array([int(c[1:]) for c in CONTENTS])
    near_by_content = np.stack([100.0 * place, np.arange(N) * 0.1], axis=1)
    near_by_label = np.stack([100.0 * (labels == "l1"), place], axis=1)
    left = samples(CONTENTS, 50, 0)
    by_label = purity(nearest(near_by_label, 20), labels, CONTENTS, left, 3)
    assert by_label.tolist() == [1.0] * 7
    by_content = purity(nearest(near_by_content, 20), labels, CONTENTS, left, 3)
    assert by_content[0] < 0.75
    ranked = nearest(near_by_content, N - 1)
    foreign = [[j for j in row if CONTENTS[j] != CONTENTS[i]][:3] for i, row in enumerate(ranked)]
    assert by_content[0] == np.mean([[labels[j] == labels[i] for j in row] for i, row in enumerate(foreign)])


def test_standardised_features_weigh_alike_and_constant_ones_nothing() -> None:
    one, _ = pair()
    scaled = standardised(np.hstack([one * np.array([1, 1, 1, 1, 1e4]), np.full((N, 1), 7.0)]))
    assert np.allclose(scaled.std(0), [1, 1, 1, 1, 1, 0])


def test_gap_and_cone_by_hand() -> None:
    images = [torch.tensor([[3.0, 0.0], [0.0, 2.0]]), torch.tensor([[5.0, 0.0]])]
    visual, words = Bundle.of(images), Bundle.of([torch.tensor([[-4.0, 0.0]]), torch.tensor([[0.0, 1.0]])])
    everything, first = np.array([[True], [True]]), np.array([[True], [False]])
    assert gap(visual, words, everything)[0] == pytest.approx(np.hypot(2 / 3 + 1 / 2, 1 / 3 - 1 / 2))
    assert gap(visual, words, first)[0] == pytest.approx(1.0)
    assert cone(visual, everything)[0] == pytest.approx(0.5)  # the cosines 1 and 0, of tokens of two images
    assert np.isnan(cone(visual, first)[0])
    table = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    table[7] = 0  # a row that pads the vocabulary has no direction
    cosines = torch.nn.functional.normalize(torch.cat([table[:7], table[8:]]), dim=-1)
    expected = float(((cosines @ cosines.T).sum() - 49) / (49 * 48))
    assert vocabulary_cone(Bundle.of_vocabulary(table)) == pytest.approx(expected, abs=1e-6)
