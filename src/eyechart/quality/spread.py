"""How far scores depend on the wording and on chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.measures.statistics import bootstrap, cluster_means, columns, divide, totals
from eyechart.quality.agreement import headline

Floats = NDArray[np.float64]
SHARES = ("image_share", "shift_share", "rest_share")
_TWO = 2


def primary(scores: pd.DataFrame) -> pd.DataFrame:
    """Return each template's own way: likelihoods where it asks for levels, the text where for a number."""
    own = np.where(scores["kind"] == "levels", "levels", "text")
    return scores[scores["readout"] == own]


def spread_over_templates(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return how far each arm's scores of one image lie apart when only the wording changes.

    Scores are on 0 to 1 of each template's scale. The variance of a score has three components, estimated
    from the mean squares of images and templates (two-way random effects; Shrout and Fleiss, Psychological
    Bulletin 86:420, 1979): that of the images, that of a shift by the wording, and the rest (wordings that
    order the images differently). ``image_share`` (their ICC(2,1)), ``shift_share`` and ``rest_share`` are
    their parts of the whole and add to 1. Only images that every template has scored count.

    Returns:
        arm, templates, n, contents, sd (mean over images of the standard deviation over templates), and the
        three shares, each with ``_low`` and ``_high`` (95 % over contents).
    """
    rows = []
    for arm, part in primary(headline(scores)).groupby("arm", sort=False):
        wide = part.pivot(index=["content", "image_id"], columns="template", values="score")
        wide = wide.loc[:, wide.notna().mean() >= 0.5].dropna()
        if wide.shape[1] < _TWO or wide.empty:
            continue
        content = wide.index.get_level_values("content")
        x = wide.to_numpy(np.float64)
        told = {"arm": str(arm), "templates": x.shape[1], "n": len(x), "contents": content.nunique()}
        sd = cluster_means(x.std(axis=1, ddof=1)[:, None], content, seed)
        rows.append(told | columns(("sd",), sd) | columns(SHARES, _shares(x, content, seed)))
    return pd.DataFrame(rows)


def _shares(x: Floats, content: pd.Index[str], seed: int) -> tuple[Floats, Floats, Floats]:
    """Return the parts of images, wordings and the rest in the variance, with their intervals."""
    count = x.shape[1]
    each = np.concatenate(
        [x, (x**2).sum(axis=1, keepdims=True), x.mean(axis=1, keepdims=True) ** 2, np.ones((len(x), 1))],
        axis=1,
    )

    def statistic(sums: Floats) -> Floats:
        n = sums[:, -1]
        of_template = sums[:, :count] / n[:, None]
        mean = of_template.mean(axis=1)
        total = sums[:, count] - n * count * mean**2
        images = count * (sums[:, count + 1] - n * mean**2)
        shifts = n * ((of_template - mean[:, None]) ** 2).sum(axis=1)
        rest = np.maximum(0, divide(total - images - shifts, (n - 1) * (count - 1)))
        own = np.maximum(0, divide(images, n - 1) - rest) / count
        shift = np.maximum(0, shifts / (count - 1) - rest) / n
        return divide(np.stack([own, shift, rest], axis=1), (own + shift + rest)[:, None])

    return bootstrap(totals(each, content), statistic, seed)


def spread_over_repeats(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return how far sampled scores of one image and wording lie apart.

    Returns:
        arm, template, template_split, n (images with at least two sampled scores), contents, repeats,
        unscored (share of sampled texts that say no score), sd (mean over images of the standard deviation
        over the repeats) and within_share (share of the variance of all sampled scores that lies within
        images), both with ``_low`` and ``_high`` (95 % over contents).
    """
    drawn = scores[(scores["repeat"] > 0) & (scores["readout"] == "text")]
    rows = []
    for (arm, template, split), part in drawn.groupby(["arm", "template", "template_split"], sort=False):
        told: dict[str, Any] = {"arm": str(arm), "template": str(template), "template_split": str(split)}
        told |= {"repeats": int(part["repeat"].max()), "unscored": float(part["score"].isna().mean())}
        known = part[part["score"].notna()].groupby(["content", "image_id"])["score"]
        each = known.agg(["count", "mean", "var"]).query("count >= 2")
        if each.empty:
            continue
        content = each.index.get_level_values("content")
        told |= {"n": len(each), "contents": content.nunique()}
        sd = cluster_means(np.sqrt(each["var"].to_numpy())[:, None], content, seed)
        rows.append(told | columns(("sd",), sd) | columns(("within_share",), _within(each, content, seed)))
    return pd.DataFrame(rows)


def _within(each: pd.DataFrame, content: pd.Index[str], seed: int) -> tuple[Floats, Floats, Floats]:
    count, mean, variance = (each[name].to_numpy(np.float64) for name in ("count", "mean", "var"))
    inside = (count - 1) * variance
    sums = totals(np.stack([count, count * mean, inside + count * mean**2, inside], axis=1), content)

    def statistic(drawn: Floats) -> Floats:
        total = drawn[:, 2] - divide(drawn[:, 1] ** 2, drawn[:, 0])
        return divide(drawn[:, 3], total)[:, None]

    return bootstrap(sums, statistic, seed)
