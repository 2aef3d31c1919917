"""Read a score from a text; what is no score is never replaced by a guess."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from eyechart.quality.template import ScoringTemplate
from eyechart.templates.final_answer import final_answer, normalise, unwrapped

STATUSES = ("score", "several", "off-scale", "empty", "unparsed")
_KEYS = ("rating", "score", "quality", "quality_score", "mos", "answer")
_JSON = re.compile(r"\{[^{}]*\}")
# "on a scale of 1 to 5", "from 0 to 100", "between 1 and 5": the scale repeated, no answer.
_SCALE = re.compile(
    r"\b(?:on|in|using)?\s*(?:a|the)?\s*(?:scale|range)\s*(?:of|from|between)?\s*[\d.]+\s*(?:-|–|to|and)\s*[\d.]+"
    r"|\b(?:from|between)\s+[\d.]+\s*(?:to|and)\s*[\d.]+"
)
_OUT_OF = re.compile(r"(?<=\d)\s*(?:/|out of|of|von)\s*(\d+(?:\.\d+)?)")
_RANGE = re.compile(r"\d\s*(?:-|–|~|to|or)\s*\d")
_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:[.,]\d+)?(?!\w)(?![.,]\d)")


@dataclass(frozen=True)
class Spoken:
    """What a text says.

    Attributes:
        status: ``score``; ``several`` it names more than one number or level; ``off-scale`` its number lies
            beyond the scale, or is said out of another maximum; ``empty``; ``unparsed`` all else.
        value: on the template's scale, NaN unless the status is ``score``.
    """

    status: str
    value: float = math.nan


def spoken(text: str, template: ScoringTemplate) -> Spoken:
    """Return the score that a text says in answer to a template's question.

    Numbers may be written as 4, 4.5, 4,5, 4/5, "4 out of 5", or stand in JSON under a usual key; of words
    those of the template's levels count, taken whole, the longest first. A denied level ("not good") is no
    score.
    """
    text = unwrapped(normalise(text))
    if not any(character.isalnum() for character in text):
        return Spoken("empty")
    return _number(text, template.scale) if template.kind == "number" else _level(text, template)


def _number(text: str, scale: tuple[float, float]) -> Spoken:
    low, high = scale
    told = _in_json(text)
    text = _SCALE.sub(" ", final_answer(text) if told is None else told)
    if any(float(most) != high for most in _OUT_OF.findall(text)):
        return Spoken("off-scale")
    text = _OUT_OF.sub(" ", text)
    if _RANGE.search(text):
        return Spoken("several")
    values = {float(found.replace(",", ".").replace("−", "-")) for found in _NUMBER.findall(text)}
    if len(values) > 1:
        return Spoken("several")
    if not values:
        return Spoken("unparsed")
    (value,) = values
    return Spoken("score", value) if low <= value <= high else Spoken("off-scale")


def _in_json(text: str) -> str | None:
    """Return the value under a usual key of a JSON object in the text."""
    for found in _JSON.findall(text):
        try:
            whole = json.loads(found)
        except ValueError:
            continue
        values = [whole[key] for key in _KEYS if key in whole]
        if values and isinstance(values[0], int | float | str) and not isinstance(values[0], bool):
            return str(values[0])
    return None


def _level(text: str, template: ScoringTemplate) -> Spoken:
    worth = level_worths(template)
    of_word = {word.casefold(): worth[i] for i, level in enumerate(template.levels) for word in level}
    longest = sorted(of_word, key=len, reverse=True)
    pattern = re.compile(rf"(not\s+(?:very\s+|so\s+)?)?\b({'|'.join(map(re.escape, longest))})\b")
    found = pattern.findall(final_answer(text))
    values = {of_word[word] for denied, word in found if not denied}
    if len(values) > 1:
        return Spoken("several")
    return Spoken("score", values.pop()) if values else Spoken("unparsed")


def level_worths(template: ScoringTemplate) -> list[float]:
    """Return what each level is worth, best first: equal steps between the ends of the scale."""
    low, high = template.scale
    steps = len(template.levels) - 1
    return [high - (high - low) * i / steps for i in range(steps + 1)]
