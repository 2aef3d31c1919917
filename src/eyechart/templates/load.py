"""Read templates from YAML, and choose some of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from eyechart.errors import EyechartError
from eyechart.templates.files import read_yaml, refuse_unknown
from eyechart.templates.template import KINDS, LABEL, LABELS, LETTER, OPTIONS, SPLITS, Template
from eyechart.templates.words import languages

FOLDER = Path(__file__).with_name("sets")
DEFAULT = "exam"
# Which places the text and the answer of a kind must have (True), may have (None), and else must not have.
_IN_TEXT: dict[str, dict[str, bool | None]] = {
    "open word": {},
    "word list": {LABELS: True},
    "letters": {OPTIONS: True},
    "yes-no": {LABEL: True},
    "json": {LABELS: None},
}
_IN_ANSWER: dict[str, dict[str, bool | None]] = {
    "open word": {LABEL: True},
    "word list": {LABEL: True},
    "letters": {LETTER: True, LABEL: None},
    "yes-no": {},
    "json": {LABEL: True},
}


def load_templates(which: str | Path | Sequence[str | Path] = DEFAULT) -> tuple[Template, ...]:
    """Return templates in the order of their files.

    Args:
        which: a set, the id of a template, the path of a YAML file (a set of one's own), or several of these.

    Raises:
        EyechartError: no such set or template; in a file, an unknown or missing key or an impossible value;
            an id or a wording that is given twice.
    """
    wanted = (which,) if isinstance(which, str | Path) else tuple(which)
    found = [template for name in wanted for template in _chosen(name)]
    chosen = tuple(dict.fromkeys(found))  # a set and one of its ids name the same template
    _refuse_twice(chosen, ", ".join(str(name) for name in wanted))
    return chosen


def set_names() -> tuple[str, ...]:
    """Return the sets that come with Eyechart, the default one first."""
    names = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return (DEFAULT, *(name for name in names if name != DEFAULT))


def _chosen(name: str | Path) -> tuple[Template, ...]:
    if isinstance(name, Path) or Path(name).suffix in (".yaml", ".yml"):
        return _read(Path(name))
    if name in set_names():
        return _shipped(name)
    by_id = {template.id: template for known in set_names() for template in _shipped(known)}
    if name not in by_id:
        near = get_close_matches(name, [*set_names(), *by_id], n=3)
        raise EyechartError(
            f"there is no template and no set of templates {name!r}",
            f"did you mean {', '.join(near)}?" if near else f"sets: {', '.join(set_names())}; or name a file",
        )
    return (by_id[name],)


@cache
def _shipped(name: str) -> tuple[Template, ...]:
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> tuple[Template, ...]:
    found = read_yaml(path)
    refuse_unknown(found, ("templates",), str(path))
    entries = found["templates"]
    if not isinstance(entries, list) or not entries:
        raise EyechartError(f"{path}: 'templates' is not a list of wordings.", "Give at least one.")
    where = [f"{path}, template {i}" for i in range(1, len(entries) + 1)]
    templates = tuple(_template(entry, path.stem, at) for entry, at in zip(entries, where, strict=True))
    _refuse_twice(templates, str(path))
    return templates


def _template(entry: Any, name: str, where: str) -> Template:
    keys = tuple(field.name for field in fields(Template) if field.name != "set")
    if not isinstance(entry, dict):
        raise EyechartError(f"{where}: not a mapping.", f"Keys are {', '.join(keys)}.")
    for key, value in entry.items():
        if not isinstance(value, str) or not value.strip():
            raise EyechartError(f"{where}: {key} is {value!r}, not text.", "Put it in quotation marks.")
    _refuse_other(entry.get("kind", KINDS[0]), KINDS, f"{where}: kind")
    # Only a yes-no question has a wording of its own for "clean".
    refuse_unknown(entry, keys if entry.get("kind") == "yes-no" else keys[:-1], where)
    template = Template(set=name, **entry)
    _refuse_other(template.split, SPLITS, f"{where}: split")
    _refuse_other(template.language, languages(), f"{where}: language")
    _refuse_places(template, "text", _IN_TEXT[template.kind], where)
    _refuse_places(template, "answer", _IN_ANSWER[template.kind], where)
    _refuse_places(template, "clean", {}, where)
    _refuse_answer(template, where)
    return template


def _refuse_places(template: Template, key: str, places: dict[str, bool | None], where: str) -> None:
    """Raise an EyechartError where a place is missing from one of the texts, or stands there in vain."""
    text = getattr(template, key)
    wrong = [
        place
        for place in (LABELS, OPTIONS, LABEL, LETTER)
        if places.get(place, False) not in (None, place in text)
    ]
    if wrong:
        needed = [place for place, must in places.items() if must]
        fault = "lacks" if wrong[0] in needed else "must not hold"
        raise EyechartError(
            f"{where}: {key} is {text!r}, which {fault} {wrong[0]}.",
            f"In a template of the kind {template.kind!r}, {key} has {' and '.join(needed) or 'no place'}.",
        )


def _refuse_answer(template: Template, where: str) -> None:
    """Raise an EyechartError where an answer could not be what its kind promises."""
    if (
        template.kind == "yes-no"
        and [len(word.strip()) > 0 for word in template.answer.split("|")] != [True] * 2
    ):
        raise EyechartError(f"{where}: answer is {template.answer!r}.", "Write both words: 'Yes|No'.")
    if template.kind == "json":
        try:
            right = isinstance(json.loads(template.answer), dict)
        except ValueError:
            right = False
        if not right:
            raise EyechartError(
                f"{where}: answer is {template.answer!r}, not a JSON object.",
                """Write one, as in '{"distortion": "{label}"}'.""",
            )


def _refuse_other(value: str, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        raise EyechartError(f"{where} is {value!r}.", f"It is one of: {', '.join(allowed)}.")


def _refuse_twice(templates: Sequence[Template], where: str) -> None:
    """Refuse an id or wording given twice: one wording in both splits would let them mix unseen."""
    for key in ("id", "text"):
        values = [getattr(template, key) for template in templates]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise EyechartError(
                f"{where}: {key} {twice[0]!r} stands twice.", f"Give every template its own {key}."
            )
