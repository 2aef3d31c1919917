"""Semantic distance inside the language model: image positions against words within a sentence, by layer.

Words as they lie in the table of input embeddings are not what the language model makes of them; inside it,
visual tokens lie nearest to words that have passed some of its layers (LatentLens, arXiv 2602.00462).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from eyechart.inside.distance import image_columns, positions
from eyechart.inside.nearness import measured, middle, nearness
from eyechart.inside.words import matched_words, word_of
from eyechart.progress import track
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import PROJECTED, text_states

if TYPE_CHECKING:
    import torch

    from eyechart.inside.look import Look

# Beginnings of sentences that say nothing of what follows; the word is their last.
SENTENCES = ("This is about", "The next word is", "They talked of", "Here it is called")
MATCHED = 8  # unrelated words a label, whose mean is the centre that is taken away
_BATCH = 64  # sentences that pass the language model at a time


def contextual(look: Look) -> pd.DataFrame | None:
    """Hold the states at the image's positions against those of the labels' words, layer by layer.

    A word's state at a layer is the mean over its tokens and over ``SENTENCES``, read by the language model
    alone, without an image. For centred cosines the mean state over the images is taken away from the one
    side, and from the other the mean over the labels and words that are as frequent as these.

    Returns:
        One row an image and layer that was kept: ``stage``, ``order`` and the columns of
        :func:`eyechart.inside.nearness.measured`. None without such layers: for models that look at the
        image by cross-attention, and where no tokens are kept.
    """
    layers = [name for name in look.states.kept if name != PROJECTED]
    if not layers:
        return None
    labels = [word_of(label) for label in look.labels]
    others = [word for mine in matched_words(look.subject, look.labels, MATCHED) for word in mine]
    words = word_states(look.subject, [*labels, *others], layers)
    true = positions(look.table, look.labels)
    parts = []
    for order, layer in enumerate(track(layers, "distances inside the language model")):
        tokens = look.states.tokens(layer)  # read one at a time, more than once
        near = nearness(tokens, words[layer][: len(labels)], middle(tokens), words[layer].mean(0))
        part = image_columns(look.table).assign(arm=look.arm, stage=layer, order=order)
        parts.append(part.assign(**measured(near, true, look.labels)))
    return pd.concat(parts, ignore_index=True)


def word_states(
    subject: ModelSubject, words: Sequence[str], layers: Sequence[str], sentences: Sequence[str] = SENTENCES
) -> Mapping[str, torch.Tensor]:
    """Return the states of words at the end of sentences, [words, width] by layer, float32 on the CPU.

    Args:
        subject: the model.
        words: each is read at the end of every sentence.
        layers: ``language 1`` ..., see :func:`eyechart.subjects.stages.stages`.
        sentences: their beginnings; the mean over them is returned.
    """
    import torch

    texts = [_ids(subject, sentence, word) for word in words for sentence in sentences]
    states: dict[str, dict[int, torch.Tensor]] = {layer: {} for layer in layers}
    with torch.no_grad(), subject.precision():
        for places in track(_by_length(texts), "reading the labels' words"):
            ids = torch.tensor([texts[i][0] for i in places], device=subject.device)
            for layer, found in text_states(subject.model, ids, layers).items():
                for i, state in zip(places, found.float().cpu(), strict=True):
                    states[layer][i] = state[-texts[i][1] :].mean(0)
    whole = {layer: torch.stack([found[i] for i in range(len(texts))]) for layer, found in states.items()}
    shape = (len(words), len(sentences), -1)
    return {layer: found.reshape(shape).mean(1) for layer, found in whole.items()}


def _ids(subject: ModelSubject, sentence: str, word: str) -> tuple[list[int], int]:
    """Return the tokens of a sentence that ends in a word, and how many of them are the word's."""
    tokenizer = subject.processor.tokenizer
    own = list(subject.word_ids(word))
    begins = [tokenizer.bos_token_id] if _begins(tokenizer) else []
    return [*begins, *tokenizer(sentence, add_special_tokens=False)["input_ids"], *own], len(own)


def _begins(tokenizer: object) -> bool:
    """Say whether a tokenizer puts a token before each text."""
    bos = getattr(tokenizer, "bos_token_id", None)
    return bos is not None and tokenizer("a")["input_ids"][0] == bos  # type: ignore[operator]


def _by_length(texts: Sequence[tuple[list[int], int]]) -> list[list[int]]:
    """Return the places of texts in batches of one length, so that none needs padding."""
    lengths: dict[int, list[int]] = {}
    for i, (ids, _) in enumerate(texts):
        lengths.setdefault(len(ids), []).append(i)
    return [
        places[start : start + _BATCH]
        for places in lengths.values()
        for start in range(0, len(places), _BATCH)
    ]
