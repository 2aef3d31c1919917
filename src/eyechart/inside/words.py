"""The words that visual tokens are held against: the labels, and others that are as frequent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from eyechart.subjects.model import ModelSubject
from eyechart.templates.lexicon import Lexicon, load_lexicon, words_of

_WORD = re.compile(
    "[Ġ▁]([a-z]{3,})"
)  # a whole word behind a blank, as byte-level BPE or SentencePiece write it
_BEGINNING = 4  # letters; words that begin alike are related


def word_of(label: str) -> str:
    """Return the word that an English sentence has for a label."""
    return label.replace("_", " ")


def first_tokens(subject: ModelSubject, labels: Sequence[str]) -> tuple[int, ...]:
    """Return the token with which each label begins within a sentence (behind a blank)."""
    return tuple(subject.word_ids(word_of(label))[0] for label in labels)


def matched_words(subject: ModelSubject, labels: Sequence[str], count: int) -> list[list[str]]:
    """Return, for every label, words that have nothing to do with any label and are as frequent as it is.

    How frequent a word is, is read off its token's number: tokenizers are built from the most frequent pieces
    down, so that a word that has a token of its own is the rarer the higher that number is (of BPE the order
    of its merges, of a unigram model that of its probabilities). A label of several tokens counts as
    frequent as its rarest one. Words are those with a token of their own, of three lower-case letters or
    more, that stand nowhere in the lexicon of answers and do not begin like a label (a few are the beginning
    of a longer word: no list of words is at hand); the nearest by number are taken, each for one label only.

    Args:
        subject: the model.
        labels: the labels.
        count: words for each label.

    Returns:
        For every label at most ``count`` words, the same number for all; none where the tokenizer has none.
    """
    ranks = _candidates(subject.processor.tokenizer, labels)
    targets = [max(subject.word_ids(word_of(label))) for label in labels]
    nearest = [iter(sorted(ranks, key=lambda word: abs(ranks[word] - target))) for target in targets]
    taken: set[str] = set()
    found: list[list[str]] = [[] for _ in labels]
    for _ in range(count):  # in turns, so that no label takes all that is near another one
        for words, mine in zip(nearest, found, strict=True):
            mine += _next(subject, ranks, words, taken)
    whole = min(map(len, found), default=0)
    return [mine[:whole] for mine in found]


def _next(subject: ModelSubject, ranks: dict[str, int], words: Any, taken: set[str]) -> list[str]:
    """Return the next word that is not taken and is one token within a sentence; empty at the end."""
    for word in words:
        if word not in taken and list(subject.word_ids(word)) == [ranks[word]]:
            taken.add(word)
            return [word]
    return []


def _candidates(tokenizer: Any, labels: Sequence[str]) -> dict[str, int]:
    """Return every word with a token of its own that is not related to labels, and that token's number."""
    related, beginnings = _related(load_lexicon(), labels)
    found = {}
    for token, number in tokenizer.get_vocab().items():
        match = _WORD.fullmatch(token)
        if match and match[1] not in related and match[1][:_BEGINNING] not in beginnings:
            found[match[1]] = number
    return dict(sorted(found.items()))


def _related(lexicon: Lexicon, labels: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the words of the lexicon and the labels, and how the labels begin."""
    phrases = [phrase for phrase, _ in (*lexicon.words, *lexicon.alone)]
    phrases += [*lexicon.off_list, *lexicon.nouns, *lexicon.adjectives]
    own = {word for label in labels for word in words_of(label)}
    return own | {word for phrase in phrases for word in phrase}, {word[:_BEGINNING] for word in own}
