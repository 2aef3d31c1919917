"""Calibration of ``choose``: does a choice that looks 80 % sure come true in 80 % of the cases?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from eyechart.measures.accuracy import GROUP
from eyechart.measures.coding import Coded, choices, has_scores, headline
from eyechart.measures.statistics import Floats, bootstrap, cluster_means, columns, divide

BINS = 15
MEANS = ("confidence", "brier", "nll")


def calibration(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return how far the probabilities of ``choose`` can be believed, per arm and template.

    The probabilities p are the softmax of ``logp`` over the labels, the confidence is the largest of them.

    - ece: expected calibration error, the mean over images of the distance between accuracy and mean
      confidence in the bin that the confidence falls into; 15 bins of equal width, each with its lower edge
      (Guo et al., ICML 2017). Never below 0, so that few images raise it even where calibration is perfect.
    - overconfidence: mean confidence minus accuracy, with its sign.
    - brier: mean over images of sum_c (p_c - y_c)^2, from 0 to 2 (Brier, Monthly Weather Review 78:1, 1950).
    - nll: mean of -log p of the true label, in nats.

    Returns:
        The columns of the group, n, contents, ece, overconfidence, confidence, brier, nll, each with ``_low``
        and ``_high`` (95 % over contents).
    """
    rows = []
    for keys, coded, p in _choices(answers, labels):
        own = p[np.arange(len(p)), coded.true]
        brier = (p**2).sum(axis=1) - 2 * own + 1
        with np.errstate(divide="ignore"):  # a true label of probability 0 costs infinitely much
            means = np.stack([p.max(axis=1), brier, -np.log(own)], axis=1)
        rows.append(
            dict(zip(GROUP, keys, strict=True))
            | {"n": len(p), "contents": coded.contents}
            | columns(("ece", "overconfidence"), bootstrap(_bins(coded, p), _errors, seed))
            | columns(MEANS, cluster_means(means, coded.content, seed))
        )
    ends = [name + end for name in ("ece", "overconfidence", *MEANS) for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*GROUP, "n", "contents", *ends])


def reliability(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return the reliability diagram of ``choose``: one row per arm, template and bin that holds an image.

    Returns:
        The columns of the group, bin_low, bin_high, n, confidence (mean of the bin), accuracy, low, high
        (95 % over contents).
    """
    rows = []
    for keys, coded, p in _choices(answers, labels):
        sums = _bins(coded, p)
        value, low, high = bootstrap(sums, lambda drawn: divide(drawn[..., 1], drawn[..., 2]), seed)
        confidence, _, n = sums.sum(axis=0).T
        rows += [
            dict(zip(GROUP, keys, strict=True))
            | {"bin_low": i / BINS, "bin_high": (i + 1) / BINS, "n": int(n[i])}
            | {"confidence": confidence[i] / n[i]}
            | {"accuracy": value[i], "low": low[i], "high": high[i]}
            for i in np.flatnonzero(n)
        ]
    names = ["bin_low", "bin_high", "n", "confidence", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=[*GROUP, *names])


def probabilities(logp: Floats) -> Floats:
    """Return the softmax over the last axis."""
    from scipy.special import softmax

    p: Floats = softmax(logp, axis=-1)
    return p


def _choices(answers: pd.DataFrame, labels: Sequence[str]) -> Iterator[tuple[Any, Coded, Floats]]:
    """Yield each group of ``choose``, its classes, and the probabilities of all labels [n, K]."""
    for keys, part in headline(answers).groupby(GROUP, sort=False):
        if keys[-1] == "choose" and has_scores(part, "logp"):
            coded, logp = choices(part, labels)
            yield keys, coded, probabilities(logp)


def _bins(coded: Coded, p: Floats) -> Floats:
    """Return, per content and bin, the sum of confidences, right answers and images: [G, 15, 3]."""
    confidence, chosen = p.max(axis=1), p.argmax(axis=1)
    sums = np.zeros((coded.contents, BINS, 3))
    place = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    each = np.stack([confidence, chosen == coded.true, np.ones(len(p))], axis=1)
    np.add.at(sums, (coded.content, place), each)
    return sums


def _errors(sums: Floats) -> Floats:
    """Return the expected calibration error and the overconfidence: [m, 15, 3] to [m, 2]."""
    excess, n = sums[..., 0] - sums[..., 1], sums[..., 2].sum(axis=1)
    return np.stack([divide(np.abs(excess).sum(axis=1), n), divide(excess.sum(axis=1), n)], axis=1)
