"""Sensitivity to wording and to the order of options, against hand-worked cases, pandas and SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from answers import ABC, answers
from scipy import stats

from eyechart.errors import EyechartError
from eyechart.measures.comparison import template_gap
from eyechart.measures.option_order import chosen_positions, option_order
from eyechart.measures.sensitivity import gap_of_gaps, template_sensitivity


def test_wordings_by_hand() -> None:
    label = ["a", "a", "b", "b"]
    table = pd.concat(
        [
            answers(label, ["a", "a", "b", "b"], template="t1"),
            answers(label, ["a", "b", "b", None], template="t2"),
            answers(label, ["a", "c", "a", None], template="t3", kind="letters"),
        ]
    )
    found = template_sensitivity(table, ABC).set_index("over")
    assert list(found.index) == ["all", "word list, en"]  # one template of letters has nothing beside it
    all_three = found.loc["all"]
    assert (all_three["templates"], all_three["images"]) == (3, 4)
    assert all_three["accuracy"] == pytest.approx((1 + 0.5 + 0.25) / 3)
    assert all_three["spread"] == pytest.approx(np.std([1, 0.5, 0.25], ddof=1))
    assert all_three["changed"] == pytest.approx(3 / 4)
    # Pairs that differ, of three: 0, 3 (a b c), 2 (b b a), 2 (b - -)
    assert all_three["pair_changed"] == pytest.approx((0 + 3 + 2 + 2) / 12)
    assert (all_three["lowest"], all_three["highest"]) == ("t3", "t1")
    assert found.loc["word list, en", "changed"] == pytest.approx(2 / 4)


def test_only_images_asked_with_every_template_count() -> None:
    whole = answers(["a", "b", "c"], ["a", "b", "c"], template="t1")
    table = pd.concat([whole, answers(["a", "b", "c"], ["c", "c", "c"], template="t2").iloc[2:]])
    found = template_sensitivity(table, ABC).iloc[0]
    assert (found["images"], found["changed"], found["accuracy"]) == (1, 0, 1)
    assert template_sensitivity(whole, ABC).empty


def test_readouts_and_arms_stay_apart() -> None:
    parts = [
        answers(["a"], ["a"], template=template, readout=readout, arm=arm)
        for template in ("t1", "t2")
        for readout in ("choose", "generate", "yes-no")
        for arm in ("base", "all")
    ]
    found = template_sensitivity(pd.concat(parts), ABC)
    assert len(found[found["over"] == "all"]) == 6


def splits(gaps: dict[str, float], seed: int = 0, images: int = 400) -> pd.DataFrame:
    """Return arms that are right 80 % of the time on the train wording, and less by their gap on another."""
    generator = np.random.default_rng(seed)
    label = list(generator.choice(ABC, images))
    content = [f"content {i // 10}" for i in range(images)]
    parts = []
    for arm, gap in gaps.items():
        for split, skill in (("train", 0.8), ("held-out", 0.8 - gap)):
            hit = generator.random(images) < skill
            named = [name if ok else None for name, ok in zip(label, hit, strict=True)]
            parts.append(answers(label, named, content=content, arm=arm, template=split, split=split))
    return pd.concat(parts)


def test_the_gap_of_gaps_is_their_difference() -> None:
    table = splits({"base": 0.1, "all": 0.4, "language": 0.1})
    gap = template_gap(table).set_index("arm")["gap"]
    found = gap_of_gaps(table).set_index("arm")
    assert found.loc["all"]["difference"] == pytest.approx(gap["all"] - gap["base"])
    assert (found.loc["all"]["gap"], found.loc["all"]["base_gap"]) == pytest.approx((gap["all"], gap["base"]))
    assert found.loc["all"]["low"] > 0.15
    assert found.loc["all"]["p_holm"] < 0.01
    assert found.loc["language"]["low"] < 0 < found.loc["language"]["high"]
    assert found.loc["language"]["p"] > 0.05


def test_a_gap_needs_both_arms_and_both_splits() -> None:
    table = splits({"base": 0.1, "all": 0.4})
    assert gap_of_gaps(table[table["template_split"] == "train"]).empty
    with pytest.raises(EyechartError, match="'base'"):
        gap_of_gaps(table[table["arm"] == "all"])


def ordered(names: np.ndarray, label: list[str], content: list[str], labels: tuple[str, ...]) -> pd.DataFrame:
    """Return answers [images, orders] to options that each order moves on by one place."""
    parts = []
    for order in range(names.shape[1]):
        place = [
            pd.NA if name is None else (labels.index(name) - order) % len(labels) for name in names[:, order]
        ]
        part = answers(label, list(names[:, order]), content=content, kind="letters", order=order)
        parts.append(part.assign(position=pd.array(place, dtype="Int64")))
    return pd.concat(parts, ignore_index=True)


LABELS = ("a", "b", "c", "d")


def faithful(images: int = 60, orders: int = 4) -> pd.DataFrame:
    """Return answers that follow the image, whatever the order, with a strong liking for one label."""
    generator = np.random.default_rng(1)
    label = list(generator.choice(LABELS, images, p=[0.7, 0.1, 0.1, 0.1]))
    names = np.repeat(np.array(label, dtype=object)[:, None], orders, axis=1)
    return ordered(names, label, [f"content {i // 6}" for i in range(images)], LABELS)


def lettered(pull: float, seed: int = 2, contents: int = 12) -> pd.DataFrame:
    """Return answers that name the first option with probability ``pull``, else any; whole contents alike."""
    generator = np.random.default_rng(seed)
    label = list(generator.choice(LABELS, contents * 6))
    names = np.empty((contents * 6, 4), dtype=object)
    for order in range(4):
        place = np.where(generator.random(contents) < pull, 0, generator.integers(0, 4, contents))
        names[:, order] = [LABELS[(i + order) % 4] for i in np.repeat(place, 6)]
    return ordered(names, label, [f"content {i // 6:02d}" for i in range(contents * 6)], LABELS)


@pytest.mark.parametrize("orders", [2, 4])
def test_a_liking_for_a_label_is_no_liking_for_a_place(orders: int) -> None:
    found = option_order(faithful(orders=orders), LABELS).iloc[0]
    assert (found["orders"], found["images"], found["contents"]) == (orders, 60, 10)
    assert found["kl"] == pytest.approx(0, abs=1e-12)
    assert found["p"] == 1
    assert (found["changed"], found["pair_changed"]) == (0, 0)


def test_a_liking_for_a_place_is_found() -> None:
    table = lettered(0.6)
    found = option_order(table, LABELS).iloc[0]
    counts = table["position"].value_counts().reindex(range(4)).to_numpy(dtype=float)
    assert found["kl"] == pytest.approx(stats.entropy(counts / counts.sum(), np.full(4, 0.25)))
    assert found["chi_square"] == pytest.approx(stats.chisquare(counts).statistic)
    assert found["p_holm"] < 0.01
    wide = table.pivot_table(index="image_id", columns="order", values="predicted", aggfunc="first")
    assert found["changed"] == pytest.approx((wide.nunique(axis=1) > 1).mean())
    shares = chosen_positions(table, LABELS)
    assert shares["share"].to_numpy() == pytest.approx(counts / counts.sum())
    assert shares["expected"].to_numpy() == pytest.approx(np.full(4, 0.25))
    assert shares.iloc[0]["low"] > 0.25


def test_images_of_one_content_do_not_pass_for_independent_ones() -> None:
    """Without any liking, SciPy's test of single answers finds one far too often, ours does not."""
    ours, scipys = [], []
    for seed in range(40):
        table = lettered(0.0, seed)
        found = option_order(table, LABELS, seed).iloc[0]
        ours.append(found["p"] < 0.05)
        scipys.append(stats.chi2.sf(found["chi_square"], 3) < 0.05)
    assert np.mean(ours) <= 0.125
    assert np.mean(scipys) > 0.3


def test_an_answer_without_a_label_has_no_place() -> None:
    table = faithful()
    silent = (table["order"] == 1) & table["image_id"].isin(table["image_id"].unique()[:6])
    table.loc[silent, ["predicted", "position"]] = [None, pd.NA]
    found = option_order(table, LABELS).iloc[0]
    assert found["changed"] == pytest.approx(6 / 60)
    assert found["pair_changed"] == pytest.approx(6 / 60 * 3 / 6)
    assert chosen_positions(table, LABELS)["n"].sum() == 60 * 4 - 6


def test_one_order_and_strange_orders() -> None:
    table = faithful()
    assert option_order(table[table["order"] == 0], LABELS).empty
    strange = table.copy()
    first = strange.index[strange["order"] == 1][0]
    strange.loc[first, "position"] = (strange.loc[first, "position"] + 1) % 4
    with pytest.raises(EyechartError, match="shifted order"):
        option_order(strange, LABELS)
