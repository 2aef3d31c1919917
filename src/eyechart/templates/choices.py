"""Answers that choose: an option's letter, or yes or no."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from types import MappingProxyType

from eyechart.templates.clauses import WORD
from eyechart.templates.lexicon import Lexicon, Meanings
from eyechart.templates.questions import letters
from eyechart.templates.reading import read
from eyechart.templates.words import languages, load_words

MARK = "letter"
ABBREVIATIONS = re.compile(r"\b(?:e\.g|i\.e|a\.k\.a)\b\.?")
# A letter that stands alone, with the sign between it and the text of its option.
LETTER = re.compile(r"(?<![\w'.])([a-z])(?![\w'])(?!\.\d)(\s*[)\].:]+|\s+-(?=\s))?[^\S\n]*")
LONE = re.compile(rf"\W*{MARK}[a-z]\W*")
# "a" and "i" are words as well; these are letters: "option a", "a is correct", "a or b", "a, d".
NAMED = re.compile(r"\b(?:option|choice|letter)\W*$")
LEAD = 12  # characters before a letter in which one of these words would stand
CHOSEN = re.compile(
    r"$|[\n,;/!?]|(?:is|fits|seems)\s(?:the\s)?(?:\w+\s)?(?:correct|right|best|wrong|answer)|(?:and|or|nor)\s[a-z]\b"
)
# How an answer leads up to yes or no, and what may follow it: "no doubt" and "no blur" are no verdicts.
OPENING = r"(?:(?:i'd|i would|would|i) (?:say|answer) )?"
FOLLOWED = r"(?=\W*$|\s*[,.:;!\n。、(]|\s+-|\s+(?:there|it|it's|i|the|this|that)\b)"


def chosen_letters(text: str, options: Sequence[str], known: Meanings, lexicon: Lexicon) -> frozenset[str]:
    """Return the labels whose letters a text affirms; those that :func:`marked` has marked.

    Where another label stands right beside the letter ("B. blur", though B is noise) the text affirms both.
    What else follows a letter explains the choice.

    Args:
        text: the part of an answer that commits itself.
        options: the labels in the order in which the question lists them.
        known: what phrases mean in this exam.
        lexicon: for the words that mean any distortion.
    """
    by_mark = {f"{MARK}{letter.casefold()}": label for label, letter in letters(options).items()}
    words = MappingProxyType({(mark,): label for mark, label in by_mark.items()})
    chosen = read(text, Meanings(words, MappingProxyType({}), 1), lexicon).affirmed
    beside = set()
    for line in text.splitlines():
        found = WORD.findall(line)
        for i, word in enumerate(found):
            if by_mark.get(word) in chosen:
                beside |= _beside(found, i, known)
    return chosen | (beside if not chosen & beside else frozenset())


def marked(text: str, options: Sequence[str]) -> str:
    """Return a normalised text in which option letters are words of their own: "lettera".

    A letter that fills the first or the last line is the answer; the other lines explain it.
    """
    known = "".join(letters(options).values()).casefold()

    def mark(found: re.Match[str]) -> str:
        letter, sign = found[1], found[2]
        free = letter not in "ai" or sign or CHOSEN.match(found.string, found.end())
        before = found.string[max(0, found.start() - LEAD) : found.start()]
        if letter in known and (free or NAMED.search(before)):
            return f" {MARK}{letter} "
        return found[0]

    text = LETTER.sub(mark, ABBREVIATIONS.sub(" ", text))
    lines = [line for line in text.splitlines() if line.strip()]
    lone = [line for line in (*lines[:1], *lines[-1:]) if LONE.fullmatch(line)]
    return "\n".join(lone) or text


def verdict(text: str) -> bool | None:
    """Return whether a normalised answer begins with yes or with no, in any language; None for neither."""
    yes, begins, only = _verdicts()
    if only.fullmatch(text):  # "yes or no"
        said = {word in yes for word in re.findall(r"\w+", text) if word not in ("and", "or")}
        return said.pop() if len(said) == 1 else None
    found = begins.match(text)
    return None if found is None else found[1] in yes


def _beside(words: list[str], i: int, known: Meanings) -> set[str]:
    """Return what the phrases mean that stand right before word ``i``, and after it and perhaps a comma."""
    after = i + 2 if words[i + 1 : i + 2] == [","] else i + 1
    spans = [
        span
        for length in range(1, known.longest + 1)
        for span in (words[after : after + length], words[max(0, i - length) : i])
    ]
    return {known.words[tuple(span)] for span in spans if tuple(span) in known.words}


@cache
def _verdicts() -> tuple[frozenset[str], re.Pattern[str], re.Pattern[str]]:
    """Return the words for yes, and patterns of an answer that begins with a verdict or is nothing else."""
    spoken = [load_words(language) for language in languages()]
    yes = frozenset(word for words in spoken for word in words.yes)
    every = sorted(yes.union(*(words.no for words in spoken)), key=len, reverse=True)
    word = "|".join(map(re.escape, every))
    return (
        yes,
        re.compile(rf"\W*{OPENING}({word}){FOLLOWED}"),
        re.compile(rf"\W*(?:{word})(?:\W+(?:(?:and|or)\W+)?(?:{word}))+\W*"),
    )
