"""Which versions of a picture are asked for: types, levels and severities as a person types them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eyechart.distort import FAMILIES, Step, find, registry
from eyechart.errors import EyechartError

_LEVELS = re.compile(r"(\d+)(?:-(\d+))?")


@dataclass(frozen=True)
class Version:
    """One version of a picture.

    Attributes:
        name: of its file, without the suffix: ``jpeg_3`` (a level), ``jpeg_tid2013_3`` (of a corpus that is
            not the type's first), ``jpeg=10`` (a severity), and these joined by "+" where several distortions
            follow each other.
        steps: the distortions, in order.
    """

    name: str
    steps: tuple[Step, ...]

    @property
    def distortion(self) -> str:
        """Return the type, or the types joined by "+"."""
        return "+".join(step.type for step in self.steps)


def parse_versions(
    types: str = "", levels: str = "1-5", severities: Sequence[str] = (), corpus: str | None = None
) -> tuple[Version, ...]:
    """Return the versions that the words name, each once, in the order in which they were named.

    Args:
        types: separated by commas, each one of: a type; a family (all its types; where a type has the same
            name, the type is meant); "all"; several types joined by "+", which follow each other. Every one
            is made at every level, but for a type with a level of its own ("jpeg@3").
        levels: e.g. "1-5" or "1,3".
        severities: e.g. "jpeg=10", or "gaussian_blur+jpeg=1.5+10"; these are made besides the levels.
        corpus: whose levels; None takes each type's first. A family and "all" then mean those of its types
            that the corpus has.

    Raises:
        EyechartError: a word that names nothing, a level that a type does not have, a severity out of range,
            or nothing to make.
    """
    wanted = _levels(levels)
    chosen = [found for word in _words(types) for found in _of_type(word, wanted, corpus)]
    chosen += [_of_severity(word) for word in severities]
    if not chosen:
        raise EyechartError(
            "there is nothing to make", "name --types or a --severity; eyechart distort --list shows all"
        )
    return tuple({version.name: version for version in chosen}.values())


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _levels(text: str) -> list[int]:
    found: list[int] = []
    for word in _words(text):
        match = _LEVELS.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= 100:
            raise EyechartError(
                f"{word!r} is no level", "write whole numbers from 1, e.g. --levels 1-5 or --levels 1,3"
            )
        found += range(first, last + 1)
    return found


def _of_type(word: str, levels: Sequence[int], corpus: str | None) -> Iterator[Version]:
    """Yield the versions of one word of ``types``."""
    known = registry()
    if word == "all" or (word in FAMILIES and word not in known):
        members = [name for name, kind in known.items() if word in ("all", kind.family)]
        names = [name for name in members if corpus is None or corpus in known[name].corpora]
        if not names:
            known_corpora = sorted({corpus for name in members for corpus in known[name].corpora})
            raise EyechartError(
                f"{corpus} has levels for none of {word}", f"corpora that do: {', '.join(known_corpora)}"
            )
    else:
        names = [word]
    for name in names:
        parts = [_part(part) for part in name.split("+")]
        for level in levels if any(own is None for _, own in parts) else (0,):
            steps = tuple(_step(kind, level if own is None else own, corpus) for kind, own in parts)
            yield Version("+".join(map(_name, steps)), steps)


def _part(text: str) -> tuple[str, int | None]:
    """Return a type, and its own level where it has one."""
    name, at, own = (part.strip() for part in text.partition("@"))
    if at and not own.isdecimal():
        raise EyechartError(f"{own!r} is no level", "write one whole number after @, e.g. jpeg@3")
    return name, int(own) if at else None


def _step(name: str, level: int, corpus: str | None) -> Step:
    kind = find(name)
    kind.check_level(level, corpus or kind.corpora[0])
    return Step(name, level=level, corpus=corpus)


def _of_severity(word: str) -> Version:
    """Return the version of one word of ``severities``."""
    types, _, values = word.partition("=")
    names = [name.strip() for name in types.split("+")]
    texts = values.split("+") if len(names) > 1 else [values]
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        numbers = []
    if len(numbers) != len(names):
        raise EyechartError(
            f"{word!r} does not give every type one severity",
            "write type=number, e.g. --severity jpeg=10 or --severity gaussian_blur+jpeg=1.5+10",
        )
    steps = tuple(
        Step(name, severity=find(name).check(number)) for name, number in zip(names, numbers, strict=True)
    )
    return Version("+".join(map(_name, steps)), steps)


def _name(step: Step) -> str:
    if step.severity is not None:
        return f"{step.type}={repr(step.severity).removesuffix('.0')}"  # all digits, so that no two are one
    first = step.corpus in (None, find(step.type).corpora[0])
    return f"{step.type}_{step.level}" if first else f"{step.type}_{step.corpus}_{step.level}"
