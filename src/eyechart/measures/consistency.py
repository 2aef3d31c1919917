"""Consistency over repeated inference: what an image is called when the answer is drawn several times."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.measures.accuracy import GROUP
from eyechart.measures.coding import code
from eyechart.measures.sampling import OFF, sampling
from eyechart.measures.statistics import Floats, cluster_means, columns, divide

MEASURES = (
    *("expected_accuracy", "consensus_accuracy", "internal_variance", "consistency_rate"),
    *("same_answer", "answer_entropy", "flip_rate"),
)


def consistency(
    answers: pd.DataFrame, labels: Sequence[str], seed: int = 0, temperature: float = 0.7
) -> pd.DataFrame:
    """Return how steady the drawn answers (``repeat`` > 0) are, per arm, template and readout.

    The first four are lmms-eval's (``lmms_eval.api.metrics``, since 0.6): they look at right and wrong only,
    so that two different wrong answers count as consistent there. The others look at the answers themselves;
    naming no label counts as an answer of its own.

    - expected_accuracy: mean over all drawn answers.
    - consensus_accuracy: share of images of which more than half the answers are right; half is not enough.
    - internal_variance: variance (with k - 1) of right and wrong within an image, mean over images.
    - consistency_rate: share of images whose answers are all right or all wrong.
    - same_answer: share of images whose answers are all the same.
    - answer_entropy: entropy of an image's k answers in nats, mean over images; at most ln k.
    - flip_rate: share of drawn answers that are not the greedy one (``repeat`` 0).

    Returns:
        One row per group that has samples: its columns, images, contents, repeats (the most of an image), and
        the measures, each with ``_low`` and ``_high`` (95 % over contents). A measure is NaN where it is
        undefined: the variance of one answer, flips without a greedy answer.

    Raises:
        EyechartError: sampling was not on (see :func:`eyechart.measures.sampling.sampling`).
    """
    _refuse(sampling(answers, temperature))
    answers = answers[answers["order"] == 0]
    rows = []
    for keys, part in answers.groupby(GROUP, sort=False):
        drawn = part[part["repeat"] > 0]
        if drawn.empty:
            continue
        measured, content, repeats = _each_image(drawn, part[part["repeat"] == 0], labels)
        rows.append(
            dict(zip(GROUP, keys, strict=True))
            | {"images": len(measured), "contents": len(np.unique(content)), "repeats": repeats}
            | columns(MEASURES, cluster_means(measured, content, seed))
        )
    ends = [name + end for name in MEASURES for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=[*GROUP, "images", "contents", "repeats", *ends])


def _each_image(
    drawn: pd.DataFrame, greedy: pd.DataFrame, labels: Sequence[str]
) -> tuple[Floats, NDArray[np.str_], int]:
    """Return the measures of every image [images, 7], its content, and the most answers of one image."""
    images, first, at = np.unique(
        drawn["image_id"].to_numpy(dtype=str), return_index=True, return_inverse=True
    )
    coded = code(drawn, labels)
    counts = np.zeros((len(images), len(labels) + 1))
    np.add.at(counts, (at, coded.predicted), 1.0)
    k = counts.sum(axis=1)
    right = counts[np.arange(len(images)), coded.true[first]]
    share = right / k
    probability = counts / k[:, None]
    logs = np.log(probability, out=np.zeros_like(probability), where=probability > 0)
    # The variance of k zeros and ones with k - 1 in the denominator.
    variance = divide(k * share * (1 - share), k - 1)
    measured = np.stack(
        [
            *(share, right > k / 2, variance, (right == 0) | (right == k)),
            *(counts.max(axis=1) == k, -(probability * logs).sum(axis=1)),
            1 - _share_of_greedy(probability, images, greedy, labels),
        ],
        axis=1,
    )
    return measured, drawn["content"].to_numpy(dtype=str)[first], int(k.max())


def _share_of_greedy(
    probability: Floats, images: NDArray[np.str_], greedy: pd.DataFrame, labels: Sequence[str]
) -> Floats:
    """Return the share of an image's drawn answers that are its greedy one: [images], NaN without one."""
    named = pd.Series(code(greedy, labels).predicted, index=greedy["image_id"].to_numpy(dtype=str))
    answer = named.reindex(images).to_numpy(dtype=float)
    known = ~np.isnan(answer)
    share = np.full(len(images), np.nan)
    share[known] = probability[known, answer[known].astype(np.intp)]
    return share


def _refuse(found: pd.DataFrame) -> None:
    off = found[found["sampling"] == OFF]
    if len(off):
        row = off.iloc[0]
        raise EyechartError(
            f"{row['arm']}, {row['template']}: nothing was sampled: {row['repeats']} repeats of each of "
            f"{row['images']} images gave one text, although the first token's entropy is "
            f"{row['entropy']:.2f} nats on average",
            "ask again with a temperature above 0 and another seed for every repeat",
        )
