"""The exam's wordings, read from YAML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from eyechart.errors import EyechartError
from eyechart.templates.files import read_yaml, refuse_unknown

KINDS = ("open word", "word list")
SPLITS = ("train", "held-out")
PLACE = "{labels}"


@dataclass(frozen=True)
class Template:
    """One wording of the question.

    Attributes:
        id: unique name.
        split: ``train`` (a subject may be tuned on it) or ``held-out`` (only ever asked).
        kind: ``open word`` or ``word list`` (the labels are named in the question).
        text: the wording; a word list stands at ``{labels}``.
        language: ISO 639-1 code.
        source: where the wording comes from.
    """

    id: str
    split: str
    kind: str
    text: str
    language: str
    source: str

    def question(self, labels: Sequence[str]) -> str:
        """Return the wording as it is asked, with ``labels`` in the order given."""
        return self.text.replace(PLACE, ", ".join(labels))


def load_templates(path: Path | None = None) -> tuple[Template, ...]:
    """Return the templates of a YAML file in its order.

    Args:
        path: the file; ``None`` reads the one that comes with Eyechart.

    Raises:
        EyechartError: an unknown or missing key, an impossible value, or an id or wording given twice.
    """
    path = path or Path(__file__).with_name("exam.yaml")
    found = read_yaml(path)
    refuse_unknown(found, ("templates",), str(path))
    entries = found["templates"]
    if not isinstance(entries, list) or not entries:
        raise EyechartError(f"{path}: 'templates' is not a list of wordings.", "Give at least one.")
    templates = tuple(_template(entry, f"{path}, template {i}") for i, entry in enumerate(entries, start=1))
    _refuse_twice([template.id for template in templates], "id", path)
    # One wording in both splits would let the train and held-out templates mix unseen.
    _refuse_twice([template.text for template in templates], "text", path)
    return templates


def _template(entry: Any, where: str) -> Template:
    keys = tuple(field.name for field in fields(Template))
    if not isinstance(entry, dict):
        raise EyechartError(f"{where}: not a mapping.", f"Keys are {', '.join(keys)}.")
    refuse_unknown(entry, keys, where)
    for key, value in entry.items():
        if not isinstance(value, str) or not value.strip():
            raise EyechartError(f"{where}: {key} is {value!r}, not text.", "Put it in quotation marks.")
    template = Template(**entry)
    _refuse_other(template.split, SPLITS, f"{where}: split")
    _refuse_other(template.kind, KINDS, f"{where}: kind")
    if (template.kind == "word list") != (PLACE in template.text):
        raise EyechartError(
            f"{where}: kind is {template.kind!r} and the text is {template.text!r}.",
            f"A word list has {PLACE} in its text, an open word has not.",
        )
    return template


def _refuse_other(value: str, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        raise EyechartError(f"{where} is {value!r}.", f"It is one of: {', '.join(allowed)}.")


def _refuse_twice(values: list[str], key: str, path: Path) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise EyechartError(
            f"{path}: {key} {twice[0]!r} stands twice.", f"Give every template its own {key}."
        )
