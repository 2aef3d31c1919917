"""Find the answer inside the JSON of a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from eyechart.templates.gloss import gloss

KEYS = frozenset(["answer", "label", "type", "class", "category", "prediction", "distortion", "distortions"])
KEYS |= {"distortion class", "distortion type", "main distortion", "distortion types", "final answer"}
# What these say is not which distortion it is.
BESIDE = frozenset(["severity", "level", "degree", "confidence", "score", "rating", "quality", "probability"])
BESIDE |= {"explanation", "reason", "reasoning", "rationale", "description", "thought", "analysis"}
YES, NO = frozenset(["yes", "true", "1"]), frozenset(["no", "false", "0", "none", "null", "absent"])
NOTHING = "none"


def from_json(text: str, keys: frozenset[str]) -> str | None:
    """Return what the JSON objects of a normalised text answer; None where there are none.

    The values of the known keys count, at any depth; where there is no such key, the keys that are affirmed
    ("noise": true); else all values that are no explanation. ``null`` and an empty list say that there is no
    distortion.

    Args:
        text: the text, in lower case.
        keys: further known keys, in lower case.
    """
    found = list(_objects(text)) or list(_objects(_double_quoted(text)))
    if not found:
        return None
    answers = [value for one in found for value in _named(one, KEYS | keys)]
    if answers:
        return ". ".join(word for value in answers for word in _words(value))
    return ". ".join(word for one in found for word in _unnamed(one))


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that stand in a text, one after the other."""
    decoder, start = json.JSONDecoder(), text.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(text, start)
        except RecursionError:
            return
        except ValueError:
            end = start + 1
        else:
            yield value
        start = text.find("{", end)


def _double_quoted(text: str) -> str:
    """Return a text that quotes as Python does in JSON's way; as it is where it holds both marks."""
    if '"' in text:
        return text
    return re.sub(r"\bnone\b(?=\s*[,}\]])", "null", text.replace("'", '"'))


def _named(value: Any, keys: frozenset[str]) -> list[Any]:
    """Return the values of known keys, the outermost ones that hold no known key themselves."""
    if isinstance(value, list):
        return [found for item in value for found in _named(item, keys)]
    if not isinstance(value, dict):
        return []
    answers = []
    for key, item in value.items():
        inside = _named(item, keys)
        known = key.replace("_", " ") in keys or gloss(key) in keys
        answers += inside or ([item] if known else [])
    return answers


def _unnamed(value: dict[str, Any]) -> list[str]:
    """Return what an object without a known key says."""
    value = {key: item for key, item in value.items() if key not in BESIDE}
    verdicts = {key: str(_scalar(item)) for key, item in value.items()}
    if verdicts and all(verdict in YES | NO for verdict in verdicts.values()):
        return [key for key, verdict in verdicts.items() if verdict in YES] or [NOTHING]
    return [word for item in value.values() for word in _words(item)]


def _scalar(value: Any) -> Any:
    return str(value).casefold() if isinstance(value, bool) else "null" if value is None else value


def _words(value: Any) -> list[str]:
    """Return the texts in a JSON value."""
    if isinstance(value, list):
        return [word for item in value for word in _words(item)] or [NOTHING]
    if isinstance(value, dict):
        return _unnamed(value)
    return [NOTHING if value is None else str(_scalar(value))]
