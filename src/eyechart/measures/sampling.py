"""Was sampling really on? Repeats that repeat one text measure nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd

from eyechart.measures.accuracy import GROUP
from eyechart.measures.statistics import Floats

ON, OFF, UNKNOWN = "on", "off", "cannot tell"
IMPROBABLE = 1e-4
PART = 8  # of an entropy, so much is counted


def sampling(answers: pd.DataFrame, temperature: float = 0.7) -> pd.DataFrame:
    """Return, per arm, template and readout with samples, whether the texts can have been sampled.

    ``on``: the texts of some image differ. Where none do, the question is how likely that is: the first
    token's entropy H (at temperature 1, nats, column ``entropy``) is taken to be that of a choice between two
    tokens with H / 8, since long tails of unlikely tokens have entropy, and a lower temperature cuts them off
    (for the built-in subject the rule stays above the true chance on each of 48 questions, for H / 2 it did
    not); k draws at ``temperature`` then agree with q^k + (1 - q)^k. Where the product over all images is
    below 1e-4 it is ``off``; else, with entropies near zero or few images, ``cannot tell``. So it is without
    entropies, as from an endpoint.

    Args:
        answers: the answers table.
        temperature: of the samples.

    Returns:
        The columns of the group, images, repeats, entropy (mean), varied (share of images whose texts
        differ), log10_chance (of texts that all agree, by the rule above; NaN without entropies), sampling.
    """
    rows = []
    for keys, part in answers[answers["order"] == 0].groupby(GROUP, sort=False):
        drawn = part[part["repeat"] > 0]
        if drawn.empty:
            continue
        each = drawn.groupby("image_id", sort=False)["text"].agg(["nunique", "size"])
        varied = float((each["nunique"] > 1).mean())
        entropy = _entropies(part, each.index)
        chance = log10_chance(entropy, each["size"].to_numpy(), temperature)
        off = varied == 0 and chance < np.log10(IMPROBABLE)
        rows.append(
            dict(zip(GROUP, keys, strict=True))
            | {"images": len(each), "repeats": int(each["size"].max())}
            | {"entropy": float(entropy.mean()), "varied": varied, "log10_chance": chance}
            | {"sampling": ON if varied > 0 else OFF if off else UNKNOWN}
        )
    names = ["images", "repeats", "entropy", "varied", "log10_chance", "sampling"]
    return pd.DataFrame(rows, columns=[*GROUP, *names])


def log10_chance(entropy: Floats, repeats: Floats, temperature: float) -> float:
    """Return the logarithm of the chance that every image's repeats agree, see :func:`sampling`.

    Args:
        entropy: [images], nats.
        repeats: [images], number of samples.
        temperature: of the samples.
    """
    if np.isnan(entropy).any():
        return float("nan")
    logit = np.log1p(-_LEAST) - np.log(_LEAST)
    # Log odds of the likelier of two tokens; a temperature divides them.
    odds = np.interp(np.minimum(entropy / PART, np.log(2)), _two_way(_LEAST), logit) / temperature
    log_q = -np.logaddexp(0, -odds)
    agree = np.logaddexp(repeats * log_q, repeats * (log_q - odds))
    return float(agree.sum() / np.log(10))


def _two_way(p: Floats) -> Floats:
    """Return the entropy of a choice between two, in nats."""
    return -(p * np.log(p) + (1 - p) * np.log1p(-p))


# Probabilities of the unlikelier token, from never to even, at which the entropy is looked up.
_LEAST = np.concatenate([np.geomspace(1e-12, 1e-3, 400, endpoint=False), np.linspace(1e-3, 0.5, 2000)])


def _entropies(part: pd.DataFrame, images: pd.Index[str]) -> Floats:
    """Return the first token's entropy of each image, from whichever of its rows tells it: [images]."""
    if "entropy" not in part:
        return np.full(len(images), np.nan)
    told = part.groupby("image_id", sort=False)["entropy"].max()
    return told.reindex(images).to_numpy(dtype=float)
