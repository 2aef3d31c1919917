"""Read what a text affirms and denies, clause by clause."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from eyechart.templates.clauses import (
    PUNCTUATION,
    bare_words,
    clauses,
    denial_after,
    denial_before,
    denies_noun,
    little_of,
)
from eyechart.templates.lexicon import Lexicon, Meanings, Phrase, words_of

# Words that may surround the one word that an answer consists of.
FILLERS = frozenset(
    words_of(
        "a an the this that there it its it's i i'd say think image photo picture photograph is are looks"
    )
    + words_of(
        "look appears seems to be has and here overall answer main of in distortion quality flaw issue"
    )
    + words_of("problem very quite rather too pretty slightly somewhat really extremely bit , :")
)
MOST = FILLERS - {"quality"}  # "of high quality" is more than "high"
LISTING = frozenset([",", "and", "or", "nor"])
IMAGE = (
    r"(?:image|picture|photo)s?\b(?! (?:quality|distort|degrad|art[ei]f|issue|problem|flaw|defect|nois|blur))"
)
NO_IMAGE = re.compile(
    rf"\b(?:as an? (?:\S+ )?ai|language model|sorry|apologi[sz]e|no {IMAGE}"
    rf"|(?:do not|cannot) (?:see|have|view|access|find) (?:an? |any |the |that |your )?{IMAGE}"
    r"|(?:please|could you|can you) (?:provide|upload|share|attach|describe)"
    r"|need to see|without (?:seeing|viewing|access)|do not have the (?:ability|capability))"
)
NO_OPINION = re.compile(
    r"\b(?:(?:cannot|could not|unable to|not able to"
    r"|(?:not possible|impossible|hard|difficult) to) (?:\w+ )?"
    r"(?:determine|tell|say|identify|assess|answer|view|see|process|analy[sz]e|help|assist|provide|comply"
    r"|evaluate|judge|name|access|open|recogni[sz]e)"
    r"|cannot be (?:determined|identified|told|assessed|judged|answered)|no way to (?:know|tell|say)"
    r"|do not know|unsure|uncertain|unknown|not (?:sure|certain)"
    r"|(?:not clear|unclear) (?:what|which|whether|if|how))\b"
)
# Who sees no blur has looked.
LOOKED = re.compile(r"\bcannot (?:\w+ )?(?:see|view|identify|recogni[sz]e) (?:any|a|much)\b")


@dataclass(frozen=True)
class Reading:
    """What a text says.

    Attributes:
        affirmed: labels, or ``off-list``, that it says are there.
        denied: those that it says are not there.
        says_none: it says that there is no distortion of any kind.
        says_good: it only praises the image.
        refuses: it declines to answer.
    """

    affirmed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    says_none: bool = False
    says_good: bool = False
    refuses: bool = False


class _Mention(NamedTuple):
    start: int
    end: int
    meaning: str
    denied: bool


def read(text: str, known: Meanings, lexicon: Lexicon) -> Reading:
    """Return what a normalised text says.

    Args:
        text: the text, in English or glossed.
        known: what phrases mean in this exam.
        lexicon: for the words that mean any distortion.
    """
    if (bare := known.words.get(bare_words(text))) is not None:
        return Reading(frozenset([bare]))
    parts = [_clause(clause, known, lexicon) for clause in clauses(text)]
    return Reading(
        frozenset[str]().union(*(part.affirmed for part in parts)),
        frozenset[str]().union(*(part.denied for part in parts)),
        any(part.says_none for part in parts),
        any(part.says_good for part in parts),
        any(part.refuses for part in parts),
    )


def _clause(clause: list[str], known: Meanings, lexicon: Lexicon) -> Reading:
    """Return what one clause says; a clause that refuses affirms nothing, whatever it mentions."""
    sentence = " ".join(clause)
    if NO_IMAGE.search(sentence):
        return Reading(refuses=True)
    # "a little noise" is noise, "little noise" is not
    told = [word for i, word in enumerate(clause) if word != "little" or clause[max(0, i - 1) : i] != ["a"]]
    cores = (tuple(word for word in told if word not in fillers) for fillers in (PUNCTUATION, MOST, FILLERS))
    alone = next((known.alone[core] for core in cores if core in known.alone), None)
    if alone is not None:
        return Reading(says_good=True) if alone == lexicon.no_distortion else Reading(frozenset([alone]))
    mentions, says_none = _mentions(clause, known, lexicon)
    if NO_OPINION.search(sentence) and not says_none and not LOOKED.search(sentence):
        return Reading(refuses=True)
    affirmed = frozenset(mention.meaning for mention in mentions if not mention.denied)
    return Reading(affirmed, frozenset(mention.meaning for mention in mentions if mention.denied), says_none)


def _mentions(clause: list[str], known: Meanings, lexicon: Lexicon) -> tuple[list[_Mention], bool]:
    """Return the meanings that a clause mentions, and whether it says that there is no distortion at all."""
    mentions: list[_Mention] = []
    says_none, start, opening = False, 0, 0
    while start < len(clause):
        phrase = _longest(clause, start, known)
        end = start + max(1, len(phrase))
        if phrase:
            # "noise distortion" is one mention, not noise and any distortion.
            while end < len(clause) and (clause[end],) in lexicon.nouns:
                end += 1
            meaning = known.words[phrase]
            denied = denial_before(clause, start) or denial_after(clause, end)
            goes_on = (
                mentions and mentions[-1].denied and LISTING.issuperset(clause[mentions[-1].end : start])
            )
            opening = opening if goes_on else start  # of a listing: "minimal blur and noise"
            denied = denied or little_of(clause, opening, end, meaning)
            mentions.append(_Mention(start, end, meaning, denied))
        else:
            says_none = says_none or _denies_any(clause, start, known, lexicon)
        start = end
    return _denied_together(mentions, clause), says_none


def _denied_together(mentions: list[_Mention], clause: list[str]) -> list[_Mention]:
    """Return the mentions; a listing is denied where its last item is: "noise and blur are absent"."""
    found = mentions[-1:]
    for mention in reversed(mentions[:-1]):
        following = found[-1]
        listed = LISTING.issuperset(clause[mention.end : following.start])
        denied = mention.denied or (
            listed and following.denied and not denial_before(clause, following.start)
        )
        found.append(mention._replace(denied=denied))
    return found


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
        return denies_noun(clause, start) or after == [":"] or denial_after(clause, start + 1)
    return word in lexicon.adjectives and denial_before(clause, start)
