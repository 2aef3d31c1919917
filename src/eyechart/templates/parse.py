"""Read a free-text answer: which label it names, or why none. An answer is never replaced by a guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from eyechart.templates.clauses import (
    PUNCTUATION,
    bare_words,
    clauses,
    denial_after,
    denial_before,
    denies_noun,
)
from eyechart.templates.final_answer import final_answer, normalise
from eyechart.templates.lexicon import OFF_LIST, Lexicon, Meanings, Phrase, meanings, words_of

STATUSES = ("label", "several", "off-list", "refusal", "empty", "unparsed")
# Words that may surround the one word that an answer consists of.
FILLERS = frozenset(
    words_of(
        "a an the this that it its it's i i'd say think image photo picture photograph is are looks look"
    )
    + words_of(
        "appears seems to be has and here overall answer main of in distortion quality flaw issue problem"
    )
    + words_of("very quite rather too pretty slightly somewhat really extremely little bit , :")
)
IMAGE = (
    r"(?:image|picture|photo)s?\b(?! (?:quality|distort|degrad|art[ei]f|issue|problem|flaw|defect|nois|blur))"
)
NO_IMAGE = re.compile(
    rf"\b(?:as an ai|language model|sorry|apologi[sz]e|no {IMAGE}"
    rf"|(?:do not|cannot) (?:see|have|view|access|find) (?:an |any |the |that |your )?{IMAGE}"
    r"|(?:please|could you|can you) (?:provide|upload|share|attach|describe)"
    r"|without (?:seeing|viewing|access)|do not have the (?:ability|capability))"
)
NO_OPINION = re.compile(
    r"\b(?:(?:cannot|could not|unable to|not able to"
    r"|(?:not possible|impossible|hard|difficult) to) (?:\w+ )?"
    r"(?:determine|tell|say|identify|assess|answer|view|see|process|analy[sz]e|help|assist|provide|comply"
    r"|evaluate|judge|name|access|open|recogni[sz]e)"
    r"|do not know|unsure|uncertain|unknown|not (?:sure|certain)"
    r"|(?:not clear|unclear) (?:what|which|whether|if|how))\b"
)


@dataclass(frozen=True)
class Parsed:
    """What an answer says.

    Attributes:
        status: one of ``STATUSES``.
        labels: the labels that it affirms, in the exam's order; exactly one where the status is ``label``.
    """

    status: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Clause:
    affirmed: frozenset[str] = frozenset()
    says_none: bool = False
    refuses: bool = False


def parse(text: str, labels: Sequence[str], lexicon: Lexicon) -> Parsed:
    """Return what a free-text answer says.

    Statuses: ``label`` it affirms one label; ``several`` it affirms more than one thing; ``off-list`` it
    affirms a distortion that is no label; ``refusal`` it declines or does not know; ``empty`` it has no
    letter or digit; ``unparsed`` all else, such as an answer that only denies ("not blurry"). Words are
    matched whole, the longest phrase first.

    Args:
        text: the answer.
        labels: the labels of the exam.
        lexicon: what words mean, see :func:`eyechart.templates.lexicon.load_lexicon`.
    """
    text = normalise(text)
    if not any(character.isalnum() for character in text):
        return Parsed("empty", ())
    known = meanings(lexicon, tuple(labels))
    answer = final_answer(text)
    read = [_read(clause, known, lexicon) for clause in clauses(answer)]
    affirmed = frozenset[str]().union(*(clause.affirmed for clause in read))
    if (bare := known.words.get(bare_words(answer))) is not None:
        affirmed = frozenset([bare])
    if not affirmed and any(clause.says_none for clause in read):
        affirmed = frozenset([lexicon.no_distortion if lexicon.no_distortion in labels else OFF_LIST])
    named = tuple(label for label in labels if label in affirmed)
    if len(affirmed) > 1:
        return Parsed("several", named)
    if affirmed:
        return Parsed("label", named) if named else Parsed("off-list", ())
    return Parsed("refusal" if any(clause.refuses for clause in read) else "unparsed", ())


def _read(clause: list[str], known: Meanings, lexicon: Lexicon) -> _Clause:
    """Return what one clause affirms; a clause that refuses affirms nothing, whatever it mentions."""
    sentence = " ".join(clause)
    if NO_IMAGE.search(sentence):
        return _Clause(refuses=True)
    core = tuple(word for word in clause if word not in FILLERS)
    whole = tuple(word for word in clause if word not in PUNCTUATION)
    if (alone := known.alone.get(whole) or known.alone.get(core)) is not None:
        return _Clause(says_none=True) if alone == lexicon.no_distortion else _Clause(frozenset([alone]))
    affirmed, says_none = _mentions(clause, known, lexicon)
    if NO_OPINION.search(sentence) and not says_none:
        return _Clause(refuses=True)
    return _Clause(affirmed, says_none)


def _mentions(clause: list[str], known: Meanings, lexicon: Lexicon) -> tuple[frozenset[str], bool]:
    """Return the meanings that a clause affirms, and whether it says that there is no distortion at all."""
    affirmed, says_none, start = set(), False, 0
    while start < len(clause):
        phrase = _longest(clause, start, known)
        end = start + max(1, len(phrase))
        if phrase:
            # "noise distortion" is one mention, not noise and any distortion.
            while end < len(clause) and (clause[end],) in lexicon.nouns:
                end += 1
            if not denial_before(clause, start) and not denial_after(clause, end):
                affirmed.add(known.words[phrase])
        else:
            says_none = says_none or _denies_any(clause, start, known, lexicon)
        start = end
    return frozenset(affirmed), says_none


def _longest(clause: list[str], start: int, known: Meanings) -> Phrase:
    """Return the longest known phrase that begins at ``start``, or an empty one."""
    for length in range(min(known.longest, len(clause) - start), 0, -1):
        phrase = tuple(clause[start : start + length])
        if phrase in known.words:
            return phrase
    return ()


def _denies_any(clause: list[str], start: int, known: Meanings, lexicon: Lexicon) -> bool:
    """Say whether the word at ``start`` is a distortion of any kind that the clause denies."""
    word, after = (clause[start],), clause[start + 1 : start + 2]
    if word in lexicon.nouns:
        rest = range(start + 2, len(clause))
        if after in (["with"], ["of"], ["from"]) and any(_longest(clause, i, known) for i in rest):
            return False  # "no issues with noise" speaks of noise alone
        return denies_noun(clause, start) or after in (["free"], ["absent"], [":"])
    return word in lexicon.adjectives and denial_before(clause, start)
