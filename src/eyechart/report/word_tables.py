"""Tables of how near images lie to words, and of what the logit lens reads, with the change by each arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.inside.nearness import CENTRED, POOLS, RAW, prefix
from eyechart.measures.coding import scores
from eyechart.measures.relative import change, relative_change
from eyechart.measures.statistics import Floats, Interval, cluster_interval, cluster_means, columns, divide
from eyechart.report.inputs import Inputs

_LEAST_P = 1e-300  # under which a probability is no longer told from zero
_PROBABILITIES = ("next_token_p", "full_p")


def word_tables(inputs: Inputs) -> dict[str, pd.DataFrame]:
    """Return the tables that the run allows.

    Returns:
        distance (:func:`changes_by_arm` of the distances), contextual (the same, by stage), controls, lens
        (:func:`lens_table`).
    """
    found = {}
    if inputs.distance is not None:
        found["distance"] = changes_by_arm(inputs.distance)
    if inputs.contextual is not None:
        found["contextual"] = _by_stage(inputs.contextual)
    if inputs.controls is not None:
        found["controls"] = inputs.controls
    if inputs.lens is not None:
        found["lens"] = lens_table(inputs.lens, inputs.labels)
    return found


def changes_by_arm(table: pd.DataFrame, pools: Sequence[str] = POOLS) -> pd.DataFrame:
    """Return the mean of every measure per arm, and its change against ``base`` on the same images.

    Measures: ``raw_own``, ``raw_margin`` and so on as in the table; ``_distance`` is 1 - own, ``_excess`` is
    own - matched; of those that end in ``argmax`` or ``argmax_next`` the share of images whose own label
    wins.

    Args:
        table: one row an arm and image.
        pools: the poolings whose measures are wanted.

    Returns:
        One row an arm and measure: arm, measure, n, value, low, high, change, change_low, change_high,
        relative_change, relative_low, relative_high (NaN without base, and where a share means nothing, see
        :func:`eyechart.measures.relative.relative_change`).
    """
    measured = {str(arm): _measures(part, pools) for arm, part in table.groupby("arm", sort=False)}
    rows: list[dict[str, Any]] = []
    for arm, values in measured.items():
        before = measured.get("base")
        rows += [
            {"arm": arm, "measure": measure} | _row(values, before, measure, same=arm == "base")
            for measure in values.columns.drop("content")
        ]
    return pd.DataFrame(rows)


def _row(values: pd.DataFrame, before: pd.DataFrame | None, measure: str, *, same: bool) -> dict[str, float]:
    mine = values[["content", measure]].dropna()
    row = {"n": float(len(mine))}
    absent = Interval(np.nan, np.nan, np.nan)
    level, moved, share = absent, absent, absent
    if len(mine):
        level = cluster_interval(mine[measure], mine["content"], 0)
    if before is not None and not same and measure in before:
        both = before[measure].rename("before").to_frame().join(mine, how="inner").dropna()
        if len(both):
            given = (both["before"], both[measure], both["content"], 0)
            moved, share = change(*given), relative_change(*given)
    row |= {"value": level.value, "low": level.low, "high": level.high}
    row |= {"change": moved.value, "change_low": moved.low, "change_high": moved.high}
    return row | {"relative_change": share.value, "relative_low": share.low, "relative_high": share.high}


def _measures(part: pd.DataFrame, pools: Sequence[str]) -> pd.DataFrame:
    """Return the measures of an arm's images as numbers, by image."""
    found = pd.DataFrame(dict(_named(part, pools)), index=part.index).astype(float)
    found["content"] = part["content"].astype(str)
    return found.set_axis(part["image_id"], axis=0)


def _named(part: pd.DataFrame, pools: Sequence[str]) -> Iterator[tuple[str, pd.Series[Any]]]:
    """Yield each measure that a table of distances holds."""
    for kind, pool in product((RAW, CENTRED), pools):
        name = prefix(kind, pool)
        own = f"{name}_own" if pool == "mean" else name
        if own in part:
            yield f"{name}_distance", 1 - part[own]
            yield own, part[own]
        for measure in ("margin", "rank"):
            if f"{name}_{measure}" in part:
                yield f"{name}_{measure}", part[f"{name}_{measure}"]
        if f"{name}_argmax" in part:
            yield f"{name}_argmax", part[f"{name}_argmax"] == part["label"]
        if pool == "mean" and f"{kind}_matched" in part:
            yield f"{kind}_excess", part[own] - part[f"{kind}_matched"]
            yield f"{kind}_matched", part[f"{kind}_matched"]
            yield f"{kind}_matched_right", part[f"{kind}_matched_right"]
    for name in _PROBABILITIES:
        if name in part and part[name].notna().any():
            yield name, part[name]
    if "argmax_next" in part and part["argmax_next"].notna().any():
        yield "argmax_next", part["argmax_next"] == part["label"]


def _by_stage(table: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`changes_by_arm` of every stage (mean over tokens), with its place in their order."""
    parts = [
        changes_by_arm(part, ("mean",)).assign(stage=stage, order=int(part["order"].iloc[0]))
        for stage, part in table.groupby("stage", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def lens_table(table: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return what the lens reads at each stage, by label and over all labels.

    Args:
        table: of :func:`eyechart.inside.lens.lens`, of all arms.
        labels: in the order of the table's lists.

    Returns:
        One row an arm, stage and label ("all" for all of them): arm, stage, order, label, n; for the mean and
        the maximum over the positions ``right_mean`` (share of images whose own label is the likeliest),
        ``rank_mean``, ``p_mean`` (geometric mean of the own label's probability) and ``lift_mean`` (how many
        times that of the same label on images of the same content with other labels, geometric mean: 1 if
        it says nothing), each with ``_low`` and ``_high``; likewise ``_max``.
    """
    rows = []
    for (arm, stage), part in table.groupby(["arm", "stage"], sort=False):
        values = _lens_values(part, labels)
        for label in ("all", *labels):
            mine = values if label == "all" else values[values["label"] == label]
            if len(mine):
                row = {"arm": arm, "stage": stage, "order": int(part["order"].iloc[0]), "label": label}
                rows.append(row | {"n": len(mine)} | _lens_row(mine))
    return pd.DataFrame(rows)


def _lens_values(part: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return the measures of one arm's images at one stage; probabilities and lifts as logarithms."""
    true = part["label"].map(labels.index).to_numpy()
    contents = part["content"].astype(str).to_numpy()
    found: dict[str, Any] = {"label": part["label"], "content": contents}
    for pool in ("mean", "max"):
        log_p = np.log(np.maximum(scores(part, f"p_{pool}"), _LEAST_P))
        found |= {f"{name}_{pool}": part[f"{name}_{pool}"] for name in ("right", "rank")}
        found[f"p_{pool}"] = log_p[np.arange(len(true)), true]
        found[f"lift_{pool}"] = _lift(log_p, true, contents)
    return pd.DataFrame(found)


def _lift(log_p: Floats, true: NDArray[np.intp], contents: NDArray[Any]) -> Floats:
    """Return each image's own log-probability minus the mean of the same label's on the content's others.

    Args:
        log_p: of every label, [images, K].
        true: position of each image's label.
        contents: of each image.

    Returns:
        [images]; NaN where the content has no image of another label.
    """
    found = np.full(len(true), np.nan)
    for content in np.unique(contents):
        rows = np.flatnonzero(contents == content)
        others = true[rows][:, None] != true[rows]
        reference = others @ log_p[rows][:, true[rows]]  # of column j the diagonal is wanted: label of row j
        found[rows] = log_p[rows, true[rows]] - divide(np.diag(reference), others.sum(1).astype(float))
    return found


def _lens_row(values: pd.DataFrame) -> dict[str, float]:
    names = [f"{name}_{pool}" for pool in ("mean", "max") for name in ("right", "rank", "p", "lift")]
    found = columns(names, cluster_means(values[names].to_numpy(dtype=float), values["content"], 0))
    return {
        name: float(np.exp(value)) if name.startswith(("p_", "lift_")) else value
        for name, value in found.items()
    }
