"""Cut an answer down to the part in which it commits itself: after the reasoning, behind "the answer is"."""

from __future__ import annotations

import re
import unicodedata

SPECIAL = re.compile(r"<\|[^|<>]*\|>|</?s>")
THINKING = re.compile(r"[<◁]think(?:ing)?[>▷].*?(?:[<◁]/think(?:ing)?[>▷]|$)", re.DOTALL)
# A template may have opened the block already, so that the answer only closes it.
THOUGHT = re.compile(r"^.*[<◁]/think(?:ing)?[>▷]", re.DOTALL)
# A question that the answer puts to itself, or repeats: "Is it blur? No."
QUESTION = re.compile(r"(?:(?<=[.;!?\n])|^)\s*(?:is|are|does|do|has|what|which|how)\b[^.;!?\n]*\?")
TAGGED = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL)
BOXED = re.compile(r"\\boxed\s*\{(?:\\text\s*\{)?([^{}]*)\}")
ANSWER = re.compile(r"\banswer\s*(?:is\b\s*:?|:|\s-|\n)\s*(?=\W*[^\W_])")
MAIN = re.compile(
    r"\b(?:main|primary|dominant|principal|chief|worst|most\s+\w+)\s+(?:\w+\s+){0,2}?"
    r"(?:distortion|degradation|artifact|artefact|issue|problem|flaw|defect|impairment)"
    r"(?:\s+(?:type|here|(?:in|of|to|with|affecting)\s+(?:this|the)\s+\w+))*\s*"
    r"(?:is|appears to be|seems to be|:)\s"
)
# What follows a commitment is its explanation.
AFTER = re.compile(
    r"[.;!\n]|\b(?:explanation|reason|reasoning|because|although|though|while|whereas|however|followed by"
    r"|but (?:there|it))\b"
)
CONCLUSION = re.compile(
    r"\b(?:therefore|thus|hence|in conclusion|in summary|to sum up|to conclude|overall|all in all"
    r"|(?:i|i'd|would|will|i'll) (?:go with|choose|pick|select|opt for))\b"
)
MAINLY = re.compile(r"\b(?:mainly|primarily|predominantly|mostly|chiefly)\b((?:(?!\bwith\b)[^.;!\n,])*)")


def normalise(text: str) -> str:
    """Return ``text`` in lower case, without emphasis or contractions ("isn't"), with single blanks.

    The cells of a table are separated by colons: "| Blur | No |" says "blur: no".
    """
    text = SPECIAL.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    text = text.translate(str.maketrans("’‘“”|", "''\"\":", "*`"))
    text = re.sub(r"\banything but\b", "not", text)
    text = re.sub(r"\bcan(?:'?t| not)\b", "cannot", text)
    text = re.sub(r"\b(is|are|was|were|do|does|did|has|have|could|would|should)n'?t\b", r"\1 not", text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def unwrapped(text: str) -> str:
    """Return a normalised answer without its reasoning, and only what it marks as the answer by a tag or box.

    A think block that never ends leaves nothing: the subject ran out of tokens before it answered.
    """
    text = THOUGHT.sub(" ", THINKING.sub(" ", text)).strip()
    if tagged := TAGGED.findall(text):
        text = tagged[-1].strip()
    boxed = BOXED.findall(text)
    return boxed[-1] if boxed else text


def final_answer(text: str) -> str:
    """Return the part that follows "the answer is" or "the main distortion is"; all of it otherwise."""
    text = QUESTION.sub(" ", text).strip()
    for mark in (ANSWER, MAIN):
        if found := list(mark.finditer(text)):
            rest = text[found[-1].end() :].lstrip()
            return AFTER.split(rest, maxsplit=1)[0] or text
    return text


def headings(text: str) -> list[str]:
    """Return the first line if it is a word or three, and a sentence follows that would explain them."""
    first, second = ([line for line in text.splitlines() if line.strip()] + ["", ""])[:2]
    return [first] if len(first.split()) <= 3 and len(second.split()) > 3 else []


def conclusions(text: str) -> list[str]:
    """Return the parts that an answer may mean as its conclusion, to be read first; they may say nothing."""
    parts = [text[found.end() :] for found in list(CONCLUSION.finditer(text))[-1:]]
    return parts + [found[1] for found in list(MAINLY.finditer(text))[-1:]]
