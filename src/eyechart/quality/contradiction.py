"""Contradictions between the distortion that a subject names and the score that it gives.

Thresholds are quantiles of the subject's own scores by the same template, so that its scale does not matter:
"low" is the lowest quarter of its scores, "high" the highest. Two things contradict each other:

- it names no distortion ("clean"), and its score is in the lowest quarter;
- it names a distortion, and its score is in the highest quarter.

The rate of the first is among the images named clean, that of the second among those named distorted. If
scores knew nothing of the names, either rate would be the share of all images in that quarter, about 25 %
(``unrelated``). A subject that names few images clean cannot do without the second: ``least`` is what even
scores in perfect order with the names would give.

Resamples of few contents agree too well, and entirely where all images of a case contradict or none does. An
interval is therefore never narrower than the exact one (Clopper and Pearson, Biometrika 26:404, 1934) of as
many independent images; where all or none contradict, it is the exact one of as many independent contents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eyechart.measures.statistics import Interval, cluster_interval
from eyechart.quality.agreement import ways

QUARTER = 0.25
CASES = ("named clean, scored low", "named distorted, scored high")


def contradictions(scores: pd.DataFrame, clean: str, seed: int = 0) -> pd.DataFrame:
    """Return how often names and scores contradict each other, for every arm and way.

    Args:
        scores: rows of the table of scores with ``named``, the label that the subject names (None where it
            names none).
        clean: the label that says that there is no distortion.
        seed: of the resamples.

    Returns:
        arm, template, template_split, kind, readout, case (one of ``CASES``), threshold (a score, 0 to 1), n
        (images so named), contents, rate, rate_low, rate_high (95 % over contents), unrelated, least.
    """
    rows = []
    for (arm, way), part in ways(scores):
        known = part[part["score"].notna() & part["named"].notna()]
        if known.empty:
            continue
        score, is_clean = known["score"].to_numpy(np.float64), (known["named"] == clean).to_numpy()
        low, high = np.quantile(score, [QUARTER, 1 - QUARTER])
        for case, mine, threshold, hit in (
            (CASES[0], is_clean, low, score <= low),
            (CASES[1], ~is_clean, high, score >= high),
        ):
            if mine.any():
                told = {"case": case, "threshold": float(threshold), "n": int(mine.sum())}
                rows.append({"arm": arm} | way | told | _rate(known, mine, hit, seed))
    return pd.DataFrame(rows)


def _rate(known: pd.DataFrame, mine: Any, hit: Any, seed: int) -> dict[str, float]:
    content = known["content"].to_numpy()[mine]
    found = _interval(hit[mine], content, seed)
    # The other images take as many places in the quarter as they can; the rest is left for these.
    least = max(0.0, hit.sum() - (~mine).sum()) / mine.sum()
    told = {"contents": len(set(content)), "rate": found.value, "rate_low": found.low}
    return told | {"rate_high": found.high, "unrelated": float(hit.mean()), "least": float(least)}


def _interval(hit: Any, content: Any, seed: int) -> Interval:
    """Return the share of hits with its interval, see the module's docstring."""
    from scipy.stats import binomtest

    drawn = cluster_interval(hit.astype(np.float64), content, seed)
    if hit.all() or not hit.any():
        contents = len(set(content))
        exact = binomtest(contents if hit.all() else 0, contents).proportion_ci(0.95, "exact")
        return Interval(drawn.value, float(exact.low), float(exact.high))
    exact = binomtest(int(hit.sum()), len(hit)).proportion_ci(0.95, "exact")
    # NaN, for one content, stays NaN.
    return Interval(
        drawn.value, float(np.minimum(drawn.low, exact.low)), float(np.maximum(drawn.high, exact.high))
    )
