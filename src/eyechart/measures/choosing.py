"""How the choice is read: the ways to turn log-likelihoods into an answer, and the bias behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from eyechart.measures.accuracy import GROUP
from eyechart.measures.calibration import probabilities
from eyechart.measures.coding import Coded, choices, has_scores, headline, scores
from eyechart.measures.statistics import Floats, bootstrap, columns, divide, totals

FULL = "full"
MEASURES = ("accuracy", "balanced_accuracy", "difference", "balanced_difference")
BIAS = ("entropy", "kl_from_uniform", "correlation")


def readings(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return what each way to read the choice would have scored, per arm, template and readout.

    Ways: ``full`` (log-likelihood of the whole candidate; of yes-no the log odds), ``per token`` (its mean),
    ``prior-corrected`` (minus that on an image without content) and ``first token``. Where several labels
    share the highest score, as with equal first tokens, an image counts as one over their number.

    Returns:
        The columns of the group, reading, n, contents; accuracy, balanced_accuracy, and their differences to
        ``full`` on the same images, each with ``_low`` and ``_high`` (95 % over contents). A way whose scores
        are not stored has no row.
    """
    rows = []
    for keys, part in headline(answers).groupby(GROUP, sort=False):
        if keys[-1] not in ("choose", "yes-no") or not has_scores(part, "logp"):
            continue
        coded, logp = choices(part, labels)
        right = {name: _credit(score, coded) for name, score in _ways(part, logp)}
        for name, each in right.items():
            found = bootstrap(_sums(each, right[FULL], coded), _accuracies, seed)
            rows.append(
                dict(zip(GROUP, keys, strict=True))
                | {"reading": name, "n": len(part), "contents": coded.contents}
                | columns(MEASURES, found)
            )
    ends = [name + end for name in MEASURES for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*GROUP, "reading", "n", "contents", *ends])


def answer_prior(answers: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Return what ``choose`` says when there is nothing to see, beside what it says: one row a label.

    Returns:
        The columns of the group, label, prior (softmax of ``logp_prior`` over the labels, mean over images),
        predicted_share (``full`` reading), true_share.
    """
    rows = []
    for keys, coded, prior, chosen in _priors(answers, labels):
        true = np.eye(len(labels))[coded.true].mean(axis=0)
        for i, label in enumerate(labels):
            shares = (prior[:, i].mean(), chosen[:, i].mean(), true[i])
            rows.append((*keys, label, *shares))
    return pd.DataFrame(rows, columns=[*GROUP, "label", "prior", "predicted_share", "true_share"])


def prior_bias(answers: pd.DataFrame, labels: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Return how one-sided the prior of ``choose`` is, and whether its answers follow it.

    - entropy of the prior in nats, and kl_from_uniform = ln K - entropy.
    - correlation: Pearson's, over the labels, of the prior with the share of images that are named so. NaN
      where either is the same for all labels.

    Returns:
        The columns of the group, n, contents, favourite (the label of the largest prior), its prior, and the
        measures, each with ``_low`` and ``_high`` (95 % over contents). One blank image has one prior, so
        that the interval of its entropy has no width.
    """
    rows = []
    for keys, coded, prior, chosen in _priors(answers, labels):
        sums = totals(np.stack([prior, chosen], axis=1), coded.content)
        mean = prior.mean(axis=0)
        rows.append(
            dict(zip(GROUP, keys, strict=True))
            | {"n": len(prior), "contents": coded.contents}
            | {"favourite": labels[int(mean.argmax())], "prior": float(mean.max())}
            | columns(BIAS, bootstrap(sums, _bias, seed))
        )
    ends = [name + end for name in BIAS for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*GROUP, "n", "contents", "favourite", "prior", *ends])


def _ways(part: pd.DataFrame, logp: Floats) -> Iterator[tuple[str, Floats]]:
    yield FULL, logp
    if has_scores(part, "logp_mean"):
        yield "per token", scores(part, "logp_mean")
    if has_scores(part, "logp_prior"):
        yield "prior-corrected", logp - scores(part, "logp_prior")
    if has_scores(part, "logp_first"):
        yield "first token", scores(part, "logp_first")


def _credit(score: Floats, coded: Coded) -> Floats:
    """Return 1 where the true label alone has the highest score, 1/n where n share it, else 0: [rows]."""
    best = score == score.max(axis=1, keepdims=True)
    credit: Floats = best[np.arange(len(best)), coded.true] / best.sum(axis=1)
    return credit


def _sums(right: Floats, full: Floats, coded: Coded) -> Floats:
    """Return, per content and label, what its images score, what by ``full``, their number: [G, 3, K]."""
    true = np.eye(len(coded.labels))[coded.true]
    return totals(np.stack([true * right[:, None], true * full[:, None], true], axis=1), coded.content)


def _accuracies(sums: Floats) -> Floats:
    """Return accuracy, balanced accuracy, and their differences to ``full``: [m, 3, K] to [m, 4]."""
    images = sums[:, 2:]
    present = images > 0
    mean = divide(sums[:, :2].sum(axis=2), images.sum(axis=2))
    balanced = divide(np.where(present, divide(sums[:, :2], images), 0.0).sum(axis=2), present.sum(axis=2))
    return np.stack(
        [mean[:, 0], balanced[:, 0], mean[:, 0] - mean[:, 1], balanced[:, 0] - balanced[:, 1]], axis=1
    )


def _priors(
    answers: pd.DataFrame, labels: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], Coded, Floats, Floats]]:
    """Yield each group of ``choose``: keys, classes, priors [n, K], and which label is chosen [n, K]."""
    for keys, part in headline(answers).groupby(GROUP, sort=False):
        if keys[-1] == "choose" and has_scores(part, "logp_prior"):
            coded, logp = choices(part, labels)
            prior = probabilities(scores(part, "logp_prior"))
            yield tuple(map(str, keys)), coded, prior, np.eye(len(labels))[logp.argmax(axis=1)]


def _bias(sums: Floats) -> Floats:
    """Return the measures of a summed prior and summed choices: [m, 2, K] to [m, 3]."""
    shares = divide(sums, sums.sum(axis=2, keepdims=True))
    prior = shares[:, 0]
    entropy = -np.where(prior > 0, prior * np.log(np.where(prior > 0, prior, 1)), 0.0).sum(axis=1)
    centred = shares - shares.mean(axis=2, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=2))
    flat = (norms < 1e-12).any(axis=1)
    correlation = divide((centred[:, 0] * centred[:, 1]).sum(axis=1), np.where(flat, 0.0, norms.prod(axis=1)))
    return np.stack([entropy, np.log(prior.shape[1]) - entropy, correlation], axis=1)
