"""Shapley values: a worked case, their definition over orders, their axioms; and of whole tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.inside.shapley import OVERALL, combination_table, shapley, shapley_table
from eyechart.inside.spread import spread
from eyechart.measures.statistics import cluster_interval
from eyechart.subjects.components import COMPONENTS

PLAYERS = ("a", "b", "c")
SETS = [
    frozenset(p for p, inside in zip(PLAYERS, which, strict=True) if inside)
    for which in product((0, 1), repeat=3)
]
games = st.lists(st.floats(-1, 1), min_size=8, max_size=8).map(
    lambda v: dict(zip(SETS, map(np.array, v), strict=True))
)


def over_orders(value: dict[frozenset[str], np.ndarray], players: Sequence[str]) -> dict[str, float]:
    """Return the mean over all orders of what each player adds when it joins those before it."""
    gained: dict[str, list[float]] = {player: [] for player in players}
    for order in permutations(players):
        for i, player in enumerate(order):
            gained[player].append(float(value[frozenset(order[: i + 1])] - value[frozenset(order[:i])]))
    return {player: float(np.mean(found)) for player, found in gained.items()}


def test_a_worked_case() -> None:
    # The glove game: a and b hold a left glove each, c the right one; a pair is worth 1.
    value = {s: np.array(float("c" in s and len(s) > 1)) for s in SETS}
    found = shapley(value, PLAYERS)
    assert found == pytest.approx({"a": 1 / 6, "b": 1 / 6, "c": 4 / 6})


@given(games)
def test_it_is_the_mean_over_all_orders(value: dict[frozenset[str], np.ndarray]) -> None:
    assert shapley(value, PLAYERS) == pytest.approx(over_orders(value, PLAYERS), abs=1e-12)


@given(games)
def test_values_add_up_to_the_gain(value: dict[frozenset[str], np.ndarray]) -> None:
    gain = value[frozenset(PLAYERS)] - value[frozenset()]
    assert sum(shapley(value, PLAYERS).values()) == pytest.approx(float(gain), abs=1e-12)


@given(games)
def test_players_that_add_the_same_have_the_same_value(value: dict[frozenset[str], np.ndarray]) -> None:
    swapped = {"a": "b", "b": "a", "c": "c"}
    same = {s: value[s] + value[frozenset(swapped[p] for p in s)] for s in SETS}
    found = shapley(same, PLAYERS)
    assert found["a"] == pytest.approx(found["b"], abs=1e-12)


@given(games)
def test_a_player_that_adds_nothing_has_no_value(value: dict[frozenset[str], np.ndarray]) -> None:
    assert shapley({s: value[s - {"c"}] for s in SETS}, PLAYERS)["c"] == pytest.approx(0, abs=1e-12)


def swapped_by(rule: dict[str, int], contents: int = 6, seed: int = 0) -> pd.DataFrame:
    """Return a table in which an image is named rightly if the tuned components are worth enough for it."""
    draw, rows = np.random.default_rng(seed), []
    for image in range(contents * 4):
        needs = draw.integers(1, 4)
        for which in product(("base", "tuned"), repeat=3):
            kinds = dict(zip(COMPONENTS, which, strict=True))
            worth = sum(rule[part] for part, kind in kinds.items() if kind == "tuned")
            row = {"image_id": f"i{image}", "content": f"c{image % contents}", "label": "ab"[image % 2]}
            rows.append(row | kinds | {"correct": bool(worth >= needs)})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("part", COMPONENTS)
def test_all_is_given_to_the_only_component_that_does_something(part: str) -> None:
    table = shapley_table(swapped_by({name: 3 * (name == part) for name in COMPONENTS}))
    overall = table[table["label"] == OVERALL].set_index("component")
    assert overall["value"].to_dict() == {
        name: float(name in (part, "gain")) for name in (*COMPONENTS, "gain")
    }
    assert (overall.loc[part, ["low", "high"]] == 1).all()
    others = overall.drop(index=[part, "gain"])
    assert (others[["low", "high"]] == 0).all(axis=None)


def _tuned(which: Any) -> frozenset[str]:
    return frozenset(part for part, kind in zip(COMPONENTS, which, strict=True) if kind == "tuned")


def test_the_table_is_that_of_the_accuracies() -> None:
    swapped = swapped_by({"vision": 1, "projector": 2, "language": 0})
    swapped.loc[swapped["label"] == "b", "correct"] = False
    table = shapley_table(swapped, seed=3)
    assert table["label"].drop_duplicates().tolist() == [OVERALL, "a", "b"]
    for label, part in table.groupby("label"):
        mine = swapped if label == OVERALL else swapped[swapped["label"] == label]
        means = mine.groupby(list(COMPONENTS))["correct"].mean()
        value = {_tuned(which): np.array(mean) for which, mean in means.items()}
        found = part.set_index("component")["value"]
        assert found[list(COMPONENTS)].to_dict() == pytest.approx(over_orders(value, COMPONENTS), abs=1e-12)
        assert found[list(COMPONENTS)].sum() == pytest.approx(found["gain"], abs=1e-12)
    whole = swapped[(swapped[list(COMPONENTS)] == "tuned").all(axis=1)]
    gain = cluster_interval(
        whole["correct"].astype(float), whole["content"], 3
    )  # without tuning none is right
    row = table[(table["label"] == OVERALL) & (table["component"] == "gain")].iloc[0]
    assert (row["value"], row["low"], row["high"]) == pytest.approx((gain.value, gain.low, gain.high))
    assert (row["n"], row["contents"]) == (24, 6)
    combinations = combination_table(swapped, 3)
    assert len(combinations) == 8
    last = combinations[(combinations[list(COMPONENTS)] == "tuned").all(axis=1)]
    for name in ("accuracy", "change"):  # without tuning none is right
        assert last[name].tolist() == pytest.approx([gain.value])
    assert last[["low", "high"]].to_numpy() == pytest.approx(last[["change_low", "change_high"]].to_numpy())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(1, 13), st.integers(1, 60))
def test_every_beginning_is_spread(labels: int, contents: int, count: int) -> None:
    rows = [(f"l{k}", f"c{c}", i) for i in range(2) for c in range(contents) for k in range(labels)]
    table = spread(pd.DataFrame(rows, columns=["label", "content", "i"]))
    assert sorted(table.itertuples(index=False, name=None)) == sorted(rows)
    head = table.head(count)
    for column, kinds in (("label", labels), ("content", contents)):
        counts = head[column].value_counts().reindex([f"{column[0]}{k}" for k in range(kinds)], fill_value=0)
        assert counts.max() - counts.min() <= 1 or column == "content"
        assert counts.max() - counts.min() <= 2
    assert head["i"].max() == 0 or len(head) > labels * contents
