"""Split an answer into clauses and find what a clause denies."""

from __future__ import annotations

import re

from eyechart.templates.lexicon import words_of

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|[.;!?,:\n]")
PUNCTUATION = frozenset(".;!?,:\n")
# Words at which a denial ends: "not blurry but noisy", "no distortion except noise".
BREAKS = frozenset(
    words_of("but however although though yet only just merely simply instead because due while whereas")
    + words_of("except besides")
)
# A comma before one of these begins a clause; others may stand in a list: "no blur, noise or jitter".
STARTS = frozenset(
    words_of("it its it's this that that's the there there's i i'd i'm they which")
    + words_of("maybe perhaps possibly probably likely rather main mainly quality image overall has")
)
# What is praised is no distortion: "the contrast is good", "adequate exposure".
PRAISE = frozenset(
    words_of(
        "good great excellent normal balanced appropriate adequate sufficient proper perfect decent rich"
    )
)
WELL = PRAISE.union(words_of("fine ok okay acceptable well natural minimal negligible"))
ADVERBS = frozenset(
    words_of("very quite rather relatively also all still pretty just really perfectly generally")
)
VERBS = frozenset(words_of("is are has have it there looks appears shows seems"))
ABSENT = frozenset(words_of("no none false absent wrong incorrect"))
DENIALS = frozenset(
    words_of("no not never without neither nor non un hardly zero lacks lacking cannot thought whether")
)
PAIRS = frozenset([("free", "of"), ("free", "from"), ("lack", "of"), ("absence", "of")])
DENIAL_PAIRS = PAIRS | {("rather", "than"), ("instead", "of")}
# "no" denies the noun that follows; "not" only where the noun is "any", or is what someone sees or has.
NOUN_DENIALS = frozenset(words_of("no without zero lacks lacking neither"))
PERCEIVED = frozenset(
    words_of("any see find notice observe detect perceive have has contain show exhibit suffer")
)
PARTIAL = frozenset(words_of("other others further additional more much many lot all always"))

# Little of a distortion that is the worse the more there is of it denies it; low contrast is a distortion.
SLIGHT = frozenset(words_of("low little minimal negligible"))
GROWING = frozenset(words_of("noise blur compression jitter"))
SEEN = frozenset(words_of("visible noticeable apparent obvious perceptible image digital overall"))

REACH = (
    40  # words; a denial reaches no further, so that an answer that repeats itself for pages is read quickly
)


def bare_words(text: str) -> tuple[str, ...]:
    """Return the words of a normalised text without its punctuation."""
    return tuple(word for word in WORD.findall(text) if word not in PUNCTUATION)


def clauses(text: str) -> list[list[str]]:
    """Return the clauses of a normalised text, each a list of words, commas and colons."""
    words = WORD.findall(text)
    found: list[list[str]] = [[]]
    for i, word in enumerate(words):
        following = words[i + 1 : i + 3]
        if _ends_clause(word, following):
            found.append([])
        else:
            found[-1].append(word)
    return [clause for clause in found if not PUNCTUATION.issuperset(clause)]


def denial_before(clause: list[str], start: int) -> bool:
    """Say whether something before word ``start`` of the clause denies what stands there, or praises it."""
    return any(_denies(clause, i) for i in _before(start)) or (start > 0 and clause[start - 1] in PRAISE)


def denial_after(clause: list[str], end: int) -> bool:
    """Say whether what ends before word ``end`` is denied or praised: "noise free", "noise is not"."""
    words = [word for word in clause[end : end + 4] if word not in ADVERBS]
    first, second = (*words, "", "")[:2]
    if first == ":":
        return second in ABSENT
    if first in ("is", "are", "was"):
        return second == "not" or second in ABSENT | WELL
    return first in ("free", "absent", "none") or (first, second) == ("or", "not")


def little_of(clause: list[str], start: int, end: int, meaning: str) -> bool:
    """Say whether there is little of what words ``start`` to ``end`` name: "low noise", "the blur is low".

    Args:
        clause: the clause.
        start: where the mention begins, or the listing that it goes on with: "minimal blur and noise".
        end: where it ends.
        meaning: the label that it names.
    """
    if GROWING.isdisjoint(re.split(r"[\W_]+", meaning)):
        return False
    before = [word for word in clause[:start] if word not in SEEN][-2:]
    after = [word for word in clause[end : end + 6] if word not in ADVERBS]
    if before and before[-1] in SLIGHT:  # "a little noise" is some, "low JPEG quality" is much compression
        return before != ["a", "little"] and after[:1] != ["quality"]
    verb, amount, what = (*(after[1:] if after[:1] in (["level"], ["levels"]) else after), "", "", "")[:3]
    return verb in ("is", "are", "was", "were") and amount in SLIGHT and what != "quality"


def denies_noun(clause: list[str], start: int) -> bool:
    """Say whether the clause denies any of the noun at ``start``: "no artifacts", "I don't see any flaw"."""
    for i in _before(start):
        between = clause[i + 1 : start]
        if _partial(between) or not _denies(clause, i):
            continue
        if "not" in clause[max(0, i - 2) : i]:
            continue  # "not free of distortion"
        if clause[i] in NOUN_DENIALS or tuple(clause[i : i + 2]) in PAIRS or PERCEIVED.intersection(between):
            return True
    return False


def _before(start: int) -> range:
    """Return the places of the words before word ``start`` from which a denial reaches it."""
    return range(max(0, start - REACH), start)


def _partial(between: list[str]) -> bool:
    """Say whether a denial leaves something over: "no other flaws", but not "no blur or other flaws"."""
    listed = between[-2:] == ["or", "other"] or between[-3:] == ["or", "any", "other"]
    return not listed and not PARTIAL.isdisjoint(between)


def _ends_clause(word: str, following: list[str]) -> bool:
    first = following[0] if following else ""
    if word == ",":
        return first in STARTS and following != ["rather", "than"]
    if word == ":":
        return first not in ABSENT
    if word == "and":
        return first in VERBS
    if word in ("other", "apart", "aside"):
        return first in ("than", "from")
    return word in PUNCTUATION or (word in BREAKS and first != "of")


def _denies(clause: list[str], i: int) -> bool:
    word, following = clause[i], clause[i + 1] if i + 1 < len(clause) else ""
    if word in ("no", "without") and following in ("doubt", "question"):
        return False
    return word in DENIALS or (word, following) in DENIAL_PAIRS
