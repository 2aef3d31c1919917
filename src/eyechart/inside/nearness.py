"""How near an image's tokens lie to words: cosines pooled over tokens, and what they say of the label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Reals = NDArray[np.float64]
POOLS = ("mean", "max", "top")
TOP = 0.1  # share of the tokens that "top" is the mean of, rounded up
RAW, CENTRED = "raw", "centred"


def cosines(visual: torch.Tensor, text: torch.Tensor) -> Reals:
    """Return the cosine of every token with every word, float64 [tokens, K]."""
    import torch.nn.functional as F

    near = F.normalize(visual.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
    return near.double().numpy()


def middle(tokens: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the mean token over all images, [width] in float32."""
    import torch

    sums = torch.stack([visual.double().sum(0) for visual in tokens])
    return (sums.sum(0) / sum(len(visual) for visual in tokens)).float()


def pooled(near: Reals) -> Reals:
    """Return cosines pooled over the tokens by mean, maximum and mean of the highest tenth, [3, K].

    Args:
        near: [tokens, K].
    """
    top = math.ceil(TOP * len(near))
    return np.stack([near.mean(0), near.max(0), np.sort(near, 0)[-top:].mean(0)])


def nearness(
    tokens: Sequence[torch.Tensor],
    words: torch.Tensor,
    visual_centre: torch.Tensor,
    word_centre: torch.Tensor,
) -> dict[str, Reals]:
    """Return the pooled cosines of every image with every word, as they are and centred.

    Images and words lie in different cones; raw cosines mostly show that. Centred ones are those after the
    mean token and the mean word have been taken away.

    Args:
        tokens: of each image, [tokens, width] on the CPU.
        words: [K, width].
        visual_centre: the mean token, [width].
        word_centre: the mean word, [width].

    Returns:
        ``raw`` and ``centred``: float64 [3, images, K], in the order of ``POOLS``.
    """
    raw, centred = [], []
    for visual in tokens:
        raw.append(pooled(cosines(visual, words)))
        centred.append(pooled(cosines(visual - visual_centre, words - word_centre)))
    return {RAW: np.stack(raw, 1), CENTRED: np.stack(centred, 1)}


def prefix(kind: str, pool: str) -> str:
    """Return how the columns of one kind of cosine and one pooling begin: ``raw``, ``centred_max``."""
    return kind if pool == "mean" else f"{kind}_{pool}"


def measured(near: dict[str, Reals], true: NDArray[np.intp], labels: Sequence[str]) -> dict[str, Any]:
    """Return the columns of a table, one row an image, for every kind of cosine and pooling.

    Args:
        near: of :func:`nearness`, with the labels' words.
        true: position of each image's label among ``labels``.
        labels: the labels.

    Returns:
        By :func:`prefix`: ``_scores`` (a list, the cosine with every label), ``_own`` (that with the image's
        own; of the poolings max and top it is called by the prefix alone), ``_margin`` to the best other
        label, ``_rank`` of the own one (1 is best), ``_argmax`` (the nearest label).
    """
    found: dict[str, Any] = {}
    for kind, of_pools in near.items():
        for pool, scores in zip(POOLS, of_pools, strict=True):
            name = prefix(kind, pool)
            columns = against(scores, true, labels)
            found[f"{name}_own" if pool == "mean" else name] = columns.pop("own")
            found |= {f"{name}_{column}": values for column, values in columns.items()}
            found[f"{name}_scores"] = list(scores)
    return found


def against(scores: Reals, true: NDArray[np.intp], labels: Sequence[str]) -> dict[str, Any]:
    """Return how each image's own label stands against the others.

    Args:
        scores: [images, K].
        true: position of each image's label.
        labels: the K labels.
    """
    rows = np.arange(len(true))
    own = scores[rows, true]
    return {
        "own": own,
        "margin": margins(scores)[rows, true],
        "rank": 1 + (scores > own[:, None]).sum(1),
        "argmax": [labels[i] for i in scores.argmax(1)],
    }


def margins(scores: Reals) -> Reals:
    """Return each score minus the best other one of its row, [n, K]."""
    best = np.sort(scores, 1)[:, -2:]
    others = np.where(np.arange(scores.shape[1]) == scores.argmax(1)[:, None], best[:, :1], best[:, 1:])
    found: Reals = scores - others
    return found
