"""Cut an answer down to the part in which it commits itself: after the reasoning, inside the JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|$)", re.DOTALL)
# A question that the answer puts to itself, or repeats: "Is it blur? No."
QUESTION = re.compile(r"(?:(?<=[.;!?\n])|^)\s*(?:is|are|does|do|has|what|which|how)\b[^.;!?\n]*\?")
TAGGED = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL)
BOXED = re.compile(r"\\boxed\s*\{(?:\\text\s*\{)?([^{}]*)\}")
ANSWER = re.compile(r"\banswer\s*(?:is\s*:?|:|\s-)\s*(?=[^\W_])")
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
KEYS = frozenset(["answer", "label", "type", "class", "category", "prediction", "distortion", "distortions"])
KEYS |= {"distortion class", "distortion type", "main distortion"}


def normalise(text: str) -> str:
    """Return ``text`` in lower case, without emphasis or contractions ("isn't"), with single blanks."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = text.translate(str.maketrans("’‘“”", "''\"\"", "*`"))
    text = re.sub(r"\bcan(?:'?t| not)\b", "cannot", text)
    text = re.sub(r"\b(is|are|was|were|do|does|did|has|have|could|would|should)n'?t\b", r"\1 not", text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def final_answer(text: str) -> str:
    """Return the part of a normalised answer that counts, or all of it where it does not mark one.

    A think block that never ends leaves nothing: the subject ran out of tokens before it answered.
    """
    text = QUESTION.sub(" ", THINKING.sub(" ", text)).strip()
    if tagged := TAGGED.findall(text):
        text = tagged[-1].strip()
    if boxed := BOXED.findall(text):
        return str(boxed[-1])
    if (inside := _from_json(text)) is not None:
        return inside
    for mark in (ANSWER, MAIN):
        if found := list(mark.finditer(text)):
            rest = text[found[-1].end() :].lstrip()
            return AFTER.split(rest, maxsplit=1)[0] or text
    return text


def _from_json(text: str) -> str | None:
    """Return the answer inside the JSON object of ``text``; None where there is no JSON with one."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        found = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    named = [value for key, value in found.items() if key.replace("_", " ") in KEYS]
    if named:
        return ". ".join(word for value in named for word in _words(value))
    if found and all(isinstance(value, bool) for value in found.values()):
        return ". ".join(key for key, value in found.items() if value) or "none"
    return None


def _words(value: Any) -> list[str]:
    """Return the text in a JSON value; ``null`` says that there is no distortion."""
    if isinstance(value, list):
        return [word for item in value for word in _words(item)] or ["none"]
    return ["none" if value is None else str(value)]
