"""Consistency over repeats against lmms-eval's definitions, and the check that sampling was on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from answers import ABC, answers
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eyechart.errors import EyechartError
from eyechart.measures.accuracy import exam_table
from eyechart.measures.consistency import MEASURES, consistency
from eyechart.measures.sampling import log10_chance, sampling

NAMES = st.sampled_from([*ABC, None])


def repeated(label: list[str], greedy: list[str | None], samples: list[list[str | None]]) -> pd.DataFrame:
    """Return greedy answers and k samples an image; ``samples`` is [images][k]."""
    parts = [answers(label, greedy, readout="generate")]
    for k, drawn in enumerate(zip(*samples, strict=True), start=1):
        parts.append(answers(label, drawn, readout="generate", repeat=k))
    return pd.concat(parts, ignore_index=True)


def test_a_case_worked_by_hand() -> None:
    found = consistency(
        repeated(
            ["a", "a", "b"],
            ["a", "a", None],
            [["a", "a", "a", "a"], ["a", "a", "b", "c"], ["a", "c", "a", "c"]],
        ),
        ABC,
    ).iloc[0]
    assert (found["images"], found["contents"], found["repeats"]) == (3, 3, 4)
    assert found["expected_accuracy"] == pytest.approx((4 + 2 + 0) / 12)
    assert found["consensus_accuracy"] == pytest.approx(1 / 3)  # two of four is no majority
    assert found["internal_variance"] == pytest.approx((0 + 4 * 0.25 / 3 + 0) / 3)
    assert found["consistency_rate"] == pytest.approx(2 / 3)  # all wrong is consistent
    assert found["same_answer"] == pytest.approx(1 / 3)
    entropy = [0, 0.5 * np.log(2) + 0.5 * np.log(4), np.log(2)]
    assert found["answer_entropy"] == pytest.approx(np.mean(entropy))
    assert found["flip_rate"] == pytest.approx((0 + 0.5 + 1) / 3)
    for name in MEASURES:
        assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]


@given(st.lists(st.tuples(st.sampled_from(ABC), NAMES, st.lists(NAMES, min_size=4, max_size=4)), min_size=1))
@settings(max_examples=30, deadline=None)
def test_they_are_computed_otherwise(rows: list[tuple[str, str | None, list[str | None]]]) -> None:
    label, greedy, samples = (list(column) for column in zip(*rows, strict=True))
    right = np.array(
        [[name == true for name in drawn] for true, drawn in zip(label, samples, strict=True)], dtype=float
    )
    found = consistency(repeated(label, greedy, samples), ABC).iloc[0]
    assert found["expected_accuracy"] == pytest.approx(right.mean())
    assert found["consensus_accuracy"] == pytest.approx((right.sum(axis=1) > 2).mean())
    assert found["internal_variance"] == pytest.approx(right.var(axis=1, ddof=1).mean())
    assert found["consistency_rate"] == pytest.approx((right.std(axis=1) == 0).mean())
    assert found["same_answer"] == pytest.approx(np.mean([len(set(drawn)) == 1 for drawn in samples]))
    entropies = [stats.entropy(list(Counter(drawn).values())) for drawn in samples]
    assert found["answer_entropy"] == pytest.approx(np.mean(entropies), abs=1e-12)
    flips = [name != first for first, drawn in zip(greedy, samples, strict=True) for name in drawn]
    assert found["flip_rate"] == pytest.approx(np.mean(flips), abs=1e-12)


def test_the_first_four_are_lmms_evals() -> None:
    theirs = pytest.importorskip("lmms_eval.api.metrics", reason="lmms-eval is not installed")
    generator = np.random.default_rng(0)
    names = (*ABC, None)
    samples = [[names[i] for i in generator.integers(0, 4, 5)] for _ in range(60)]
    label = list(generator.choice(ABC, 60))
    right = [[float(name == true) for name in drawn] for true, drawn in zip(label, samples, strict=True)]
    found = consistency(repeated(label, [None] * 60, samples), ABC).iloc[0]
    for name in MEASURES[:4]:
        assert found[name] == pytest.approx(getattr(theirs, name)(right))


def test_samples_do_not_count_as_answers_of_the_exam() -> None:
    table = repeated(["a", "b"], ["a", "b"], [["c", "b"], ["c", "a"]])
    assert exam_table(table, ABC).iloc[0][["n", "accuracy"]].tolist() == [2, 1]


def test_without_samples_or_greedy_answers() -> None:
    table = repeated(["a", "b"], ["a", "b"], [["c", "b"], ["c", "a"]])
    assert consistency(table[table["repeat"] == 0], ABC).empty
    alone = consistency(table[table["repeat"] > 0], ABC).iloc[0]
    assert np.isnan(alone["flip_rate"])
    once = consistency(table[table["repeat"] < 2], ABC).iloc[0]
    assert np.isnan(once["internal_variance"])
    assert once["flip_rate"] == 1


def steady(entropy: float | None, images: int = 40) -> pd.DataFrame:
    """Return five repeats that all say what the greedy answer says."""
    table = repeated(["a"] * images, ["b"] * images, [["b"] * 5] * images)
    return table if entropy is None else table.assign(entropy=entropy)


def test_one_text_in_spite_of_entropy_is_an_error() -> None:
    with pytest.raises(EyechartError, match="nothing was sampled"):
        consistency(steady(3.0), ABC)
    assert sampling(steady(3.0)).iloc[0]["sampling"] == "off"


@pytest.mark.parametrize(
    ("entropy", "images"),
    [(0.001, 40), (0.0, 40), (3.0, 4), (None, 40)],
    ids=["sure", "certain", "few images", "not told"],
)
def test_one_text_without_entropy_or_images_is_none(entropy: float | None, images: int) -> None:
    table = steady(entropy, images)
    assert sampling(table).iloc[0]["sampling"] == "cannot tell"
    assert consistency(table, ABC).iloc[0]["same_answer"] == 1


def test_texts_that_differ_were_sampled() -> None:
    table = steady(3.0)
    table.loc[table.index[-1], "text"] = "something else"
    assert sampling(table).iloc[0]["sampling"] == "on"
    consistency(table, ABC)


@pytest.mark.parametrize("p", [0.02, 0.2, 0.5])
def test_the_chance_of_equal_texts_is_that_of_a_choice_of_an_eighth_of_the_entropy(p: float) -> None:
    """Drawn at temperature 1 from two tokens with that entropy, all five draws agree as often as told."""
    entropy = 8 * stats.entropy([p, 1 - p])
    told = log10_chance(np.array([entropy]), np.array([5]), temperature=1.0)
    assert 10**told == pytest.approx(p**5 + (1 - p) ** 5, rel=1e-3)
    drawn = np.random.default_rng(1).random((20_000, 5)) < p
    assert 10**told == pytest.approx(np.mean(drawn.all(axis=1) | ~drawn.any(axis=1)), abs=0.02)
    colder = log10_chance(np.array([entropy]), np.array([5]), temperature=0.5)
    assert colder > told if p < 0.5 else colder == pytest.approx(told)
