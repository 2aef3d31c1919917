"""Semantic distance between projected visual tokens and label words (METHODS; arXiv 2512.09573, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import PROJECTED

if TYPE_CHECKING:
    import torch

    from eyechart.inside.look import Look


def distance(look: Look) -> pd.DataFrame:
    """Return the semantic distance of an arm (see :func:`semantic_distance`)."""
    tokens = look.states.tokens(PROJECTED)
    return semantic_distance(look.subject, look.arm, look.table, tokens, look.labels, look.answers)


def semantic_distance(
    subject: ModelSubject,
    arm: str,
    table: pd.DataFrame,
    tokens: Sequence[torch.Tensor],
    labels: Sequence[str],
    answers: pd.DataFrame,
) -> pd.DataFrame:
    """Measure, for every image, how its visual tokens lie towards the label words.

    Args:
        subject: the model.
        arm: what the rows are filed under.
        table: the images' rows of the dataset.
        tokens: the projected visual tokens of each, [tokens, width].
        labels: the labels.
        answers: the exam's answers of this arm; the ``choose`` rows of the train template give the
            probabilities.

    Returns:
        One row an image. For raw cosines and for centred ones (the mean visual token over the images and the
        mean embedding over the vocabulary subtracted): ``own`` (mean cosine over tokens with the true
        label's word; the semantic distance is 1 - own), ``max`` (of the nearest token), ``margin`` to the
        best other word, ``rank`` of the true word (1 is best), ``argmax`` (the nearest word).
        ``next_token_p`` and ``full_p``: probability of the first token, and of the whole answer with its
        end, of the true label; ``argmax_next``: the label with the likeliest first token.
    """
    import torch

    words = torch.stack([subject.word_embedding(label) for label in labels]).cpu()
    vocabulary = subject.model.get_input_embeddings().weight.detach().float().mean(0).cpu()
    true = np.array([list(labels).index(label) for label in table["label"]])
    result = (
        table[["image_id", "content", "label", "distortion", "level"]].reset_index(drop=True).assign(arm=arm)
    )
    middle = torch.cat(list(tokens)).mean(0)
    variants = {"raw": (torch.zeros(()), words), "centred": (middle, words - vocabulary)}
    for kind, (centre, text) in variants.items():
        near = [cosines(visual - centre, text) for visual in tokens]
        mean, nearest = (np.stack(found) for found in ([n.mean(0) for n in near], [n.max(0) for n in near]))
        for name, values in _against(mean, true, labels).items():
            result[f"{kind}_{name}"] = values
        result[f"{kind}_max"] = nearest[np.arange(len(true)), true]
    return result.assign(**_probabilities(answers, result, true, labels))


def cosines(visual: torch.Tensor, text: torch.Tensor) -> NDArray[np.float64]:
    """Return the cosine of every token with every word, float64 [tokens, K]."""
    import torch.nn.functional as F

    near = F.normalize(visual.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
    return near.double().numpy()


def _against(
    scores: NDArray[np.float64], true: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, NDArray[np.float64] | list[str] | NDArray[np.int64]]:
    rows = np.arange(len(true))
    own = scores[rows, true]
    others = scores.copy()
    others[rows, true] = -np.inf
    return {
        "own": own,
        "margin": own - others.max(1),
        "rank": 1 + (others > own[:, None]).sum(1),
        "argmax": [labels[i] for i in scores.argmax(1)],
    }


def _probabilities(
    answers: pd.DataFrame, images: pd.DataFrame, true: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, NDArray[np.float64] | list[str]]:
    chosen = answers[(answers["readout"] == "choose") & (answers["template_split"] == "train")]
    first_template = chosen[chosen["template"] == chosen["template"].iloc[0]].set_index("image_id")
    ordered = first_template.loc[images["image_id"]]
    first = np.stack(ordered["logp_first"].tolist())
    full = np.stack(ordered["logp"].tolist())
    rows = np.arange(len(true))
    return {
        "next_token_p": np.exp(first[rows, true]),
        "full_p": np.exp(full[rows, true]),
        "argmax_next": [labels[i] for i in first.argmax(1)],
    }
