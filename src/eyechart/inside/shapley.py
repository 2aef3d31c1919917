"""What each tuned component is worth: Shapley values over all combinations of tuned and untuned components.

A component's value is what it adds to the accuracy, averaged over all orders in which the components can be
swapped in one after the other (Shapley, Contributions to the Theory of Games II, 307-317, 1953).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eyechart.exam.run import engine_of
from eyechart.inside.spread import spread
from eyechart.inside.swap import BASE, TUNED, Swap, shared_tensors, swapped_answers
from eyechart.measures.statistics import Floats, cluster_means
from eyechart.seeds import rng
from eyechart.subjects.components import COMPONENTS

if TYPE_CHECKING:
    from eyechart.inside.look import Look

OVERALL, GAIN = "overall", "gain"


def swapping(look: Look) -> pd.DataFrame | None:
    """Return :func:`eyechart.inside.swap.swapped_answers` of a tuned arm; None for the untuned subject."""
    if look.base_subject is None:
        return None
    swap = Swap(look.subject, look.base_subject)
    drawn = look.table.iloc[rng(look.seed, "images for swapping").permutation(len(look.table))]
    table = spread(drawn).head(look.config.swap_images or len(drawn))
    return swapped_answers(
        swap,
        look.subject,
        table,
        lambda names: look.dataset.images("test", names),
        look.question,
        look.labels,
        engine_of(look.run, look.arm),
        look.config.batch,
    ).assign(arm=look.arm)


def attribution(look: Look) -> pd.DataFrame | None:
    """Return :func:`shapley_table` of a tuned arm, with tensors that are one and the same (``shared``)."""
    if not look.run.has(look.file("swap.parquet")):
        return None
    table = shapley_table(look.found("swap.parquet"), look.seed)
    shared = shared_tensors(look.subject.model)
    return table.assign(shared=[shared.get(part, "") for part in table["component"]], arm=look.arm)


def shapley(value: Mapping[frozenset[str], Floats], players: Sequence[str]) -> dict[str, Floats]:
    """Return each player's Shapley value.

    Args:
        value: of every set of players; numbers or arrays, whose values are found element by element.
        players: the players.

    Returns:
        Player to value; they add up to the value of all players minus that of none.
    """
    count = len(players)
    found = {}
    for player in players:
        others = [other for other in players if other != player]
        total = np.zeros_like(np.asarray(value[frozenset()], dtype=np.float64))
        for size in range(count):
            weight = factorial(size) * factorial(count - 1 - size)
            for before in combinations(others, size):
                gained = value[frozenset({*before, player})] - value[frozenset(before)]
                total = total + weight * gained
        found[player] = total / factorial(count)
    return found


def shapley_table(swapped: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the Shapley value of each component for accuracy, overall and for each label.

    Accuracy is a mean over images and the value is linear in it, so that it is the mean of the images' own
    values, and its interval that of a mean: a bootstrap over contents.

    Args:
        swapped: see :func:`eyechart.inside.swap.swapped_answers`.
        seed: of the bootstrap.

    Returns:
        One row a label (``overall`` first) and component, then ``gain`` for all three together, to which the
        components add up exactly: label, component, value, low, high (95 %), n, contents.
    """
    right = swapped.assign(correct=swapped["correct"].astype(float)).pivot(
        index=["image_id", "content", "label"], columns=list(COMPONENTS), values="correct"
    )
    value = {
        frozenset(part for part, kind in zip(COMPONENTS, which, strict=True) if kind == TUNED): right[
            which
        ].to_numpy(float)
        for which in right.columns
    }
    each = shapley(value, COMPONENTS)
    columns = [*each.values(), value[frozenset(COMPONENTS)] - value[frozenset()]]
    images = right.index.to_frame(index=False)
    values = pd.DataFrame(np.stack(columns, axis=1), columns=[*COMPONENTS, GAIN])
    rows = []
    for label in [OVERALL, *sorted(images["label"].unique())]:
        mine = (images["label"] == label).to_numpy() if label != OVERALL else np.ones(len(images), bool)
        content = images.loc[mine, "content"].astype(str)
        found = cluster_means(values[mine].to_numpy(), content, seed)
        for component, mean, low, high in zip(values.columns, *found, strict=True):
            row = {"label": label, "component": component, "value": mean, "low": low, "high": high}
            rows.append(row | {"n": int(mine.sum()), "contents": content.nunique()})
    return pd.DataFrame(rows)


def combination_table(swapped: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the accuracy of every combination of components, and its change from the untuned subject.

    Returns:
        One row a combination: vision, projector, language (``base`` or ``tuned``), accuracy, low, high (95 %,
        by content); ``change`` from the combination of untuned components on the same images, with the same
        interval (``change_low``, ``change_high``); n, contents.
    """
    right = swapped.assign(correct=swapped["correct"].astype(float)).pivot(
        index=["image_id", "content"], columns=list(COMPONENTS), values="correct"
    )
    content = right.index.get_level_values("content").astype(str)
    accuracy = cluster_means(right.to_numpy(), content, seed)
    change = cluster_means(right.to_numpy() - right[(BASE,) * 3].to_numpy()[:, None], content, seed)
    table = pd.DataFrame(list(right.columns), columns=list(COMPONENTS))
    for name, (mean, low, high) in (("", accuracy), ("change", change)):
        table[name or "accuracy"] = mean
        table[f"{name}_low".strip("_")] = low
        table[f"{name}_high".strip("_")] = high
    return table.assign(n=len(right), contents=content.nunique())
