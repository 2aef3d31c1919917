"""Differences on the same images: between arms, between train and held-out templates, between readouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.measures.coding import code, headline
from eyechart.measures.statistics import (
    Floats,
    bootstrap,
    cluster_interval,
    divide,
    holm,
    paired_permutation,
    totals,
)

QUESTION = ["template", "template_split", "readout"]
COMPARED = [
    *QUESTION,
    *("arm", "base", "n", "contents", "accuracy", "base_accuracy"),
    *("difference", "low", "high", "p", "p_holm"),
    *("balanced_difference", "balanced_low", "balanced_high", "balanced_p", "balanced_p_holm"),
]
RECALLS = [
    *QUESTION,
    *("arm", "base", "label", "n", "contents", "accuracy", "base_accuracy"),
    *("difference", "low", "high", "p", "p_holm"),
]
GAP = ["arm", "readout", "n", "contents", "train_accuracy", "held_out_accuracy", "gap", "low", "high"]


def compare_arms(
    answers: pd.DataFrame, labels: Sequence[str], base: str = "base", seed: int = 0
) -> pd.DataFrame:
    """Return the accuracy of every arm minus that of ``base`` on the same images.

    Images that only one of the two has answered are left out. Two p-values are given, for accuracy and for
    balanced accuracy, each by swapping the two arms in whole contents; Holm's correction runs over all rows
    of the table, for each of the two measures by itself.

    Args:
        answers: the answers table.
        labels: the labels of the exam.
        base: the arm that the others are compared with.
        seed: of the bootstrap and the permutations.

    Returns:
        One row per template, readout and arm: n, contents, both accuracies; difference, low, high, p, p_holm;
        the same with ``balanced_`` before it. Intervals are at 95 %, by a bootstrap over contents.

    Raises:
        EyechartError: no answers of ``base``, or none on images that an arm shares with it.
    """
    rows = [row | _accuracies(both) | _compare(both, labels, seed) for row, both in _pairs(answers, base)]
    table = pd.DataFrame(rows, columns=COMPARED)
    for measure in ("", "balanced_"):
        table[f"{measure}p_holm"] = holm(table[f"{measure}p"])
    return table


def compare_labels(
    answers: pd.DataFrame, labels: Sequence[str], base: str = "base", seed: int = 0
) -> pd.DataFrame:
    """Return the recall of every label by every arm minus that by ``base``, as :func:`compare_arms` does.

    Holm's correction runs over the labels of one arm, template and readout: over all rows of the table it
    would leave nothing to be found in few contents. A label without images in common has no row.

    Returns:
        One row per template, readout, arm and label with the columns of ``RECALLS``.

    Raises:
        EyechartError: no answers of ``base``, or none on images that an arm shares with it.
    """
    rows = []
    for row, both in _pairs(answers, base):
        for label in labels:
            mine = both[both["label"] == label]
            if len(mine):
                found = _accuracies(mine) | _compare(mine, labels, seed)
                rows.append(row | {"label": label} | found)
    table = pd.DataFrame(rows, columns=RECALLS)
    families = table.groupby([*QUESTION, "arm"], sort=False)["p"]
    return table.assign(p_holm=families.transform(lambda p: holm(p.to_numpy())))


def template_gap(answers: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return accuracy on train templates minus accuracy on held-out ones, on the images asked with both.

    Returns:
        One row per arm and readout with the columns of ``GAP``; no row where either kind of template is
        missing.
    """
    rows = []
    for arm, readout, wide in gaps(answers):
        train, held_out = wide["train"].to_numpy(), wide["held-out"].to_numpy()
        gap = cluster_interval(train - held_out, wide["content"], seed)
        ends = (gap.value, gap.low, gap.high)
        rows.append(
            (arm, readout, len(wide), wide["content"].nunique(), train.mean(), held_out.mean(), *ends)
        )
    return pd.DataFrame(rows, columns=GAP)


def gaps(answers: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield, per arm and readout, the images asked with both splits of templates and their mean accuracies.

    Yields:
        arm, readout, and a table with the columns image_id, content, train, held-out.
    """
    answers = headline(answers)
    scored = answers.assign(right=_right(answers), content=answers["content"].astype(str))
    for (arm, readout), part in scored.groupby(["arm", "readout"], sort=False):
        wide = part.pivot_table(index=["image_id", "content"], columns="template_split", values="right")
        if {"train", "held-out"} <= set(wide.columns):
            yield str(arm), str(readout), wide.dropna().reset_index()


def agreement(answers: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return how often ``generate`` and ``choose`` give the same label for the same image and template.

    An answer that names no label agrees with nothing.

    Returns:
        One row per arm and template: n, contents, agreement, low, high; both_right, only_generate_right,
        only_choose_right, neither_right (shares that add to 1).
    """
    answers = headline(answers)
    scored = answers.assign(right=_right(answers))
    columns = ["image_id", "content", "predicted", "right"]
    rows = []
    for (arm, template), part in scored.groupby(["arm", "template"], sort=False):
        generate, choose = (part.loc[part["readout"] == name, columns] for name in ("generate", "choose"))
        both = generate.merge(choose, on=["image_id", "content"], suffixes=("_g", "_c"), validate="1:1")
        if both.empty:
            continue
        same = (both["predicted_g"] == both["predicted_c"]).fillna(False).to_numpy(dtype=bool)
        found = cluster_interval(same, both["content"].astype(str), seed)
        g, c = both["right_g"].to_numpy(dtype=bool), both["right_c"].to_numpy(dtype=bool)
        rows.append(
            {"arm": arm, "template": template, "n": len(both), "contents": both["content"].nunique()}
            | {"agreement": found.value, "low": found.low, "high": found.high}
            | {"both_right": (g & c).mean(), "only_generate_right": (g & ~c).mean()}
            | {"only_choose_right": (~g & c).mean(), "neither_right": (~g & ~c).mean()}
        )
    return pd.DataFrame(rows)


def _pairs(answers: pd.DataFrame, base: str) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Yield each question and arm beside ``base``: its keys, and the images that both have answered."""
    if base not in set(answers["arm"]):
        raise EyechartError(f"There are no answers of the arm {base!r}.", "Examine it, or name another base.")
    for keys, part in headline(answers).groupby(QUESTION, sort=False):
        ours = part[part["arm"] == base]
        for arm, theirs in part[part["arm"] != base].groupby("arm", sort=False):
            both = _on_same_images(theirs, ours, f"{arm} and {base}, {' / '.join(map(str, keys))}")
            yield dict(zip(QUESTION, keys, strict=True)) | {"arm": arm, "base": base}, both


def _accuracies(both: pd.DataFrame) -> dict[str, float]:
    theirs, ours = ((both[f"predicted_{who}"] == both["label"]).fillna(False) for who in "ab")
    return {"accuracy": float(theirs.mean()), "base_accuracy": float(ours.mean())}


def _compare(both: pd.DataFrame, labels: Sequence[str], seed: int) -> dict[str, float]:
    a = code(both.rename(columns={"predicted_a": "predicted"}), labels)
    b = code(both.rename(columns={"predicted_b": "predicted"}), labels)
    true = np.eye(len(labels))[a.true]
    # Per content and label: right answers of a, right answers of b, images.
    sums = totals(np.stack([true * a.right[:, None], true * b.right[:, None], true], axis=1), a.content)
    value, low, high = bootstrap(sums, _differences, seed)
    # Labels stay where they are when arms are swapped, so balanced accuracy is a mean with fixed weights.
    weight = 1 / true.sum(axis=0)[a.true]
    p = paired_permutation(a.right, b.right, a.content, seed)
    balanced_p = paired_permutation(a.right * weight, b.right * weight, a.content, seed)
    return (
        {"n": len(both), "contents": a.contents}
        | {"difference": value[0], "low": low[0], "high": high[0], "p": p}
        | {"balanced_difference": value[1], "balanced_low": low[1], "balanced_high": high[1]}
        | {"balanced_p": balanced_p}
    )


def _differences(sums: Floats) -> Floats:
    """Return the difference of accuracy and of balanced accuracy: [m, 3, K] to [m, 2]."""
    right, images = sums[:, 0] - sums[:, 1], sums[:, 2]
    present = images > 0
    balanced = divide(np.where(present, divide(right, images), 0.0).sum(axis=1), present.sum(axis=1))
    return np.stack([divide(right.sum(axis=1), images.sum(axis=1)), balanced], axis=1)


def _on_same_images(theirs: pd.DataFrame, ours: pd.DataFrame, where: str) -> pd.DataFrame:
    for part in (theirs, ours):
        if part["image_id"].duplicated().any():
            raise EyechartError(
                f"{where}: an image is answered twice.", "Keep one answer per image and question."
            )
    keys = ["image_id", "content", "label"]
    both = theirs[[*keys, "predicted"]].merge(ours[[*keys, "predicted"]], on=keys, suffixes=("_a", "_b"))
    if both.empty:
        raise EyechartError(f"{where}: no image in common.", "Examine the arms on one dataset.")
    return both


def _right(answers: pd.DataFrame) -> NDArray[np.float64]:
    same = (answers["predicted"] == answers["label"]).fillna(False)
    return same.to_numpy(dtype=bool).astype(np.float64)
