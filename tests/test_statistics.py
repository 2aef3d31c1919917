"""Cluster bootstrap, paired permutation and Holm against SciPy, simulation and hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eyechart.measures.statistics import (
    bootstrap,
    cluster_interval,
    count_interval,
    divide,
    holm,
    paired_permutation,
    ratio,
    totals,
)


def test_totals_add_up_per_cluster_in_sorted_order() -> None:
    assert totals([1, 2, 3, 4], ["b", "a", "b", "c"]).tolist() == [2, 4, 4]
    assert totals([[1, 10], [2, 20]], ["x", "x"]).tolist() == [[3, 30]]


def test_divide_says_nan_instead_of_infinity() -> None:
    assert np.isnan(divide(np.array([1.0]), np.array([0.0])))[0]


def test_without_clusters_it_is_scipys_percentile_bootstrap() -> None:
    values = np.random.default_rng(1).normal(3, 2, size=400)
    ours = cluster_interval(values, np.arange(400), seed=1, n=10_000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(2)
    )
    assert ours.value == pytest.approx(values.mean())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.015)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.015)


def test_few_contents_get_students_interval() -> None:
    """For a mean of few, about normal values the expanded percentile interval comes close to Student's."""
    values = stats.norm.ppf((np.arange(8) + 0.5) / 8)
    ours = cluster_interval(values, np.arange(8), seed=1, n=20_000)
    half = stats.t.ppf(0.975, 7) * values.std(ddof=1) / np.sqrt(8)
    assert ours.high - ours.low == pytest.approx(2 * half, rel=0.08)
    plain = 2 * 1.96 * values.std() / np.sqrt(8)
    assert ours.high - ours.low > 1.15 * plain


def test_clusters_widen_the_interval() -> None:
    generator = np.random.default_rng(3)
    values = np.repeat(generator.normal(size=40), 25)  # 25 copies of each content add nothing
    content = np.repeat(np.arange(40), 25)
    by_content = cluster_interval(values, content, seed=1)
    by_image = cluster_interval(values, np.arange(1000), seed=1)
    assert (by_content.high - by_content.low) > 4 * (by_image.high - by_image.low)


def test_order_of_rows_and_names_of_clusters_do_not_matter() -> None:
    generator = np.random.default_rng(4)
    values, content = generator.random(200), generator.integers(0, 20, 200)
    order = generator.permutation(200)
    names = np.array([f"content {i:02d}" for i in range(20)])
    first = cluster_interval(values, content, seed=7)
    again = cluster_interval(values[order], names[content[order]], seed=7)
    assert (again.value, again.low, again.high) == pytest.approx((first.value, first.low, first.high))
    assert cluster_interval(values, content, seed=8).low != first.low


def test_one_content_has_no_interval() -> None:
    found = cluster_interval([0, 1, 1], ["a", "a", "a"], seed=0)
    assert found.value == pytest.approx(2 / 3)
    assert np.isnan([found.low, found.high]).all()


def test_a_statistic_of_several_numbers_with_gaps() -> None:
    """The second number is missing in many resamples, the third always."""
    sums = np.array([[1.0, 1.0, 0.0], [2.0, 0.0, 0.0], [4.0, 0.0, 0.0]])

    def statistic(x: np.ndarray) -> np.ndarray:
        return np.stack([x[:, 0], divide(x[:, 1], x[:, 1]), divide(x[:, 2], x[:, 2])], axis=1)

    value, low, high = bootstrap(sums, statistic, seed=1)
    assert value[:2].tolist() == [7, 1]
    assert low[0] < 7 < high[0]
    assert (low[1], high[1]) == (1, 1)
    assert np.isnan([value[2], low[2], high[2]]).all()


def coverage(repeats: int, contents: int, n: int, seed: int) -> float:
    """Share of intervals that hold the true accuracy, over contents of unlike difficulty and size."""
    generator = np.random.default_rng(seed)
    hit = 0
    for repeat in range(repeats):
        sizes = generator.integers(10, 31, contents)
        difficulty = generator.beta(4, 3, contents)
        content = np.repeat(np.arange(contents), sizes)
        right = generator.random(sizes.sum()) < difficulty[content]
        found = cluster_interval(right, content, seed=repeat, n=n)
        hit += found.low <= 4 / 7 <= found.high
    return hit / repeats


def test_intervals_cover_the_truth() -> None:
    assert 0.925 <= coverage(600, contents=40, n=600, seed=1) <= 0.975


@pytest.mark.slow
@pytest.mark.parametrize("contents", [8, 16, 40, 150])
def test_intervals_cover_the_truth_in_a_long_simulation(contents: int) -> None:
    assert 0.93 <= coverage(3000, contents=contents, n=2000, seed=2) <= 0.97


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=9))
def test_exact_permutation_is_scipys(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs, dtype=float).T
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=10_000
    ).pvalue
    assert paired_permutation(a, b, np.arange(len(a)), seed=0) == pytest.approx(theirs)


def test_drawn_permutations_come_close_to_the_exact_p() -> None:
    generator = np.random.default_rng(5)
    a, b, clusters = generator.normal(0.5, 1, 26), generator.normal(0, 1, 26), np.arange(26) // 2
    exact = paired_permutation(a, b, clusters, seed=0, n=2**13)
    drawn = paired_permutation(a, b, clusters, seed=0, n=2**13 - 1)
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 2**13))


def test_images_of_one_content_are_swapped_together() -> None:
    """Sixteen images say 'better', but they are of two contents: p cannot fall under 1/2."""
    assert paired_permutation(np.ones(16), np.zeros(16), np.repeat([0, 1], 8), seed=0) == 0.5
    assert paired_permutation(np.ones(16), np.zeros(16), np.arange(16), seed=0) < 0.001


def test_no_difference_at_all_is_p_one() -> None:
    assert paired_permutation([1, 0, 1], [1, 0, 1], [1, 2, 3], seed=0) == 1.0


def test_null_p_values_are_about_uniform() -> None:
    generator = np.random.default_rng(6)
    p = [
        paired_permutation(generator.random(60), generator.random(60), np.arange(60) // 3, seed=i, n=400)
        for i in range(300)
    ]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 = 0.02, 0.03, 0.06, 0.04; the last must not fall again.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert holm([0.2]) == pytest.approx([0.2])
    assert len(holm([])) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_order_and_lies_between_raw_and_bonferroni(p: list[float]) -> None:
    adjusted, raw = holm(p), np.array(p)
    assert (adjusted >= raw).all()
    assert (adjusted <= np.minimum(raw * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= 0).all()
    assert adjusted.min() == pytest.approx(min(1, raw.min() * len(p)))


def test_a_hundred_thousand_rows_take_a_moment() -> None:
    generator = np.random.default_rng(7)
    values, content = generator.random(100_000) < 0.4, generator.integers(0, 300, 100_000)
    found = count_interval(totals(np.stack([values, np.ones(100_000)], axis=1), content), ratio, seed=0)
    assert found == cluster_interval(values, content, seed=0)


def test_thousands_of_contents_have_more_ways_than_a_float_can_count() -> None:
    generator = np.random.default_rng(8)
    a, b = generator.random(3000) < 0.6, generator.random(3000) < 0.5
    assert paired_permutation(a, b, np.arange(3000), seed=0, n=500) == pytest.approx(1 / 501)
