"""Semantic distance between projected visual tokens and label words (METHODS; arXiv 2512.09573, Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.inside.nearness import Reals, measured, middle, nearness
from eyechart.inside.words import matched_words, word_of
from eyechart.measures.coding import has_scores, headline, scores
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import PROJECTED

if TYPE_CHECKING:
    import torch

    from eyechart.inside.look import Look

MATCHED = 20  # unrelated words that each label is held against


def distance(look: Look) -> pd.DataFrame | None:
    """Return the semantic distance of an arm (see :func:`semantic_distance`); None without tokens."""
    if PROJECTED not in look.states.kept:
        return None
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

    A word is the mean of the input embeddings of its tokens. Cosines are taken token by token and then pooled
    over the image's tokens: mean, maximum, mean of the highest tenth.

    Args:
        subject: the model.
        arm: what the rows are filed under.
        table: the images' rows of the dataset.
        tokens: the projected visual tokens of each, [tokens, width].
        labels: the labels.
        answers: the exam's answers of this arm; the ``choose`` rows of the first train template give the
            probabilities.

    Returns:
        One row an image with the columns of :func:`eyechart.inside.nearness.measured`; the semantic distance
        is 1 - own. Centred cosines are those after the mean visual token over the images and the mean
        embedding over the vocabulary have been taken away. Beside these, for ``raw`` and ``centred`` (mean
        over tokens): ``_matched`` (mean cosine with words as frequent as the own label that have nothing to
        do with it, see :func:`eyechart.inside.words.matched_words`) and ``_matched_right`` (how often such a
        word of the own label's is the nearest among one of each label's: 1/K if such words say nothing).
        ``next_token_p`` and ``full_p``: probability of the first token, and of the whole answer with its
        end, of the true label; ``argmax_next``: the label with the likeliest first token; ``template``: the
        wording that these three are of.
    """
    import torch

    others = matched_words(subject, labels, MATCHED)
    words = [*map(word_of, labels), *(word for mine in others for word in mine)]
    text = torch.stack([subject.word_embedding(word) for word in words]).cpu()
    vocabulary = subject.model.get_input_embeddings().weight.detach().float().mean(0).cpu()
    near = nearness(tokens, text, middle(tokens), vocabulary)
    true, count = positions(table, labels), len(labels)
    result = image_columns(table).assign(arm=arm)
    result = result.assign(**measured({kind: of[..., :count] for kind, of in near.items()}, true, labels))
    for kind, of_pools in near.items():
        mean = of_pools[0, :, count:].reshape(len(result), count, -1)
        result = result.assign(**_matched(kind, mean, true))
    return result.assign(**_probabilities(answers, result, true, labels))


def image_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return what every table of images begins with."""
    return table[["image_id", "content", "label", "distortion", "level"]].reset_index(drop=True)


def positions(table: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.intp]:
    """Return the place of each image's label among the labels."""
    return np.array([list(labels).index(label) for label in table["label"]], dtype=np.intp)


def _matched(kind: str, near: Reals, true: NDArray[np.intp]) -> dict[str, Reals]:
    """Return the control by unrelated words.

    Args:
        kind: how the columns begin.
        near: cosines with them, [images, K, words of each label].
        true: position of each image's label.
    """
    rows = np.arange(len(true))
    if not near.shape[2]:  # the tokenizer has no such words
        return {
            f"{kind}_matched": np.full(len(true), np.nan),
            f"{kind}_matched_right": np.full(len(true), np.nan),
        }
    return {
        f"{kind}_matched": near[rows, true].mean(1),
        f"{kind}_matched_right": (near.argmax(1) == true[:, None]).mean(1),
    }


def _probabilities(
    answers: pd.DataFrame, images: pd.DataFrame, true: NDArray[np.intp], labels: Sequence[str]
) -> dict[str, Any]:
    """Return what the answers say of each image; empty where the exam tells no likelihoods."""
    asked = headline(answers)
    asked = asked[(asked["readout"] == "choose") & (asked["template_split"] == "train")]
    asked = asked[asked["template"] == asked["template"].iloc[0]] if len(asked) else asked
    ordered = images[["image_id"]].merge(asked, on="image_id", how="left")
    absent = np.full(len(images), np.nan)
    found: dict[str, Any] = {"next_token_p": absent, "full_p": absent, "argmax_next": None}
    rows = np.arange(len(true))
    if has_scores(ordered, "logp_first"):
        first = scores(ordered, "logp_first")
        found["next_token_p"] = np.exp(first[rows, true])
        found["argmax_next"] = [labels[i] for i in first.argmax(1)]
    if has_scores(ordered, "logp"):
        found["full_p"] = np.exp(scores(ordered, "logp")[rows, true])
    return found | {"template": ordered["template"]}
