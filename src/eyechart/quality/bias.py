"""Bias of scores: how far they lie beside what images of one kind should get, and what tuning does to that.

A residual is the score minus what images of equal opinion are scored on average: the curve of
:mod:`eyechart.quality.mapping`, fitted from target to score in each corpus. The other direction (opinion for
equal score) would call every noisy score biased where kinds of image differ in mean opinion, since noisy
scores tell too little of the difference. Over a whole corpus residuals are 0 on average, so a bias is
relative: above 0, images of this kind are scored too well beside others of equal opinion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from eyechart.measures.statistics import cluster_interval, holm, paired_permutation
from eyechart.quality.agreement import ways
from eyechart.quality.mapping import fit

KINDS = ("label", "distortion", "named")
"""By the true label, by the true fine type, and by the label that the subject itself names."""
_FEWEST = 3


def residuals(part: pd.DataFrame) -> pd.Series[float]:
    """Return the residual of each image of one way, by its index, on the scale of the score (0 to 1).

    Without score or target there is none.

    Args:
        part: the scores of one way, with ``score``, ``target`` and ``corpus``.
    """
    known = part[part["score"].notna() & part["target"].notna()]
    found = [pd.Series(dtype=np.float64)]
    for _, rows in known.groupby("corpus", sort=False):
        if len(rows) >= _FEWEST:
            x, y = rows["score"].to_numpy(np.float64), rows["target"].to_numpy(np.float64)
            found.append(pd.Series(x - fit(y, x)(y), index=rows.index))
    whole: pd.Series[float] = pd.concat(found[1:] or found)
    return whole


def bias(scores: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the mean signed residual of every arm and way by kind of image, and its change against ``base``.

    Args:
        scores: rows of the table of scores with the columns of the targets and, where the subject has named
            distortions, ``named``.
        seed: of resamples and swaps.

    Returns:
        bias: arm, template, template_split, kind, readout, by ("label", "distortion", "named"), group,
        target_kind, n, contents, bias, bias_low, bias_high (95 % over contents), p (the sign of whole
        contents swapped) and p_holm (over the groups of one arm, way, ``by`` and target_kind). changes: the
        same keys, n, and change, change_low, change_high of the residuals of the same images.
    """
    table, changes = [], []
    base: dict[tuple[str, ...], pd.DataFrame] = {}
    for (arm, way), part in ways(scores):
        rest = part.assign(residual=residuals(part))
        rest = rest[rest["residual"].notna()]
        keys = tuple(way.values())
        for told, group in _groups(rest):
            table.append({"arm": arm} | way | told | _bias(group, seed))
        if arm == "base":
            base[keys] = rest
        elif keys in base:
            before = base[keys].set_index("image_id")["residual"]
            moved = rest.assign(before=rest["image_id"].map(before))
            for told, group in _groups(moved[moved["before"].notna()]):
                if told["by"] == "label":
                    changes.append({"arm": arm} | way | told | _change(group, seed))
    return _corrected(pd.DataFrame(table)), pd.DataFrame(changes)


def _groups(rest: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for by in KINDS:
        if by in rest:
            for (group, kind), rows in rest.groupby([by, "target_kind"], sort=False):
                told = {"by": by, "group": str(group), "target_kind": kind, "n": len(rows)}
                yield told | {"contents": rows["content"].nunique()}, rows


def _bias(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    found = cluster_interval(rows["residual"], rows["content"], seed)
    p = paired_permutation(rows["residual"], np.zeros(len(rows)), rows["content"], seed)
    return {"bias": found.value, "bias_low": found.low, "bias_high": found.high, "p": p}


def _change(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    found = cluster_interval(rows["residual"] - rows["before"], rows["content"], seed)
    return {"change": found.value, "change_low": found.low, "change_high": found.high}


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Add p-values corrected over the groups of one family."""
    if table.empty:
        return table
    family = table.groupby(["arm", "template", "readout", "by", "target_kind"], sort=False)["p"]
    return table.assign(p_holm=family.transform(lambda p: holm(p.to_numpy())))
