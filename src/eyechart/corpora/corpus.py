"""What every corpus of rated pictures looks like once it has been read, whatever its archive was like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from eyechart.corpora.source import Source

REFERENCE = "none"  # the distortion of a picture without distortion
AUTHENTIC = "authentic"  # the distortion of a picture whose corpus publishes no types

Kind = Literal["missing", "extra", "duplicate", "unreadable", "table", "unsafe", "note"]


@dataclass(frozen=True)
class Scores:
    """What a corpus' scores are."""

    name: str  # "DMOS", "MOS", ...
    better: Literal["higher", "lower"]
    low: float  # of the scale, not the observed range, unless the reader's docstring says so
    high: float
    std: str  # what the published spread is: "standard deviation of ratings", "standard error", "" for none


@dataclass(frozen=True)
class Licence:
    """On what terms a corpus was published."""

    notice: str  # to be shown wherever the pictures go
    redistribute: bool  # whether its pictures may be given to others


@dataclass(frozen=True)
class Item:
    """One picture of a corpus."""

    corpus: str
    image_id: str  # unique in the corpus: the official name without suffix, in one letter case
    file: str  # its name inside the source, as it is there
    reference: str | None  # image_id of its reference, which may be missing; None where there is none
    distortion: str  # Eyechart's fine type; REFERENCE or AUTHENTIC where there is none
    code: str = ""  # the corpus' own name or number of the type; "" for none
    level: int | None = None  # the corpus' own level
    severity: float | None = None  # the published physical parameter
    score: float | None = None  # raw, as published
    score_std: float | None = None
    extra: Mapping[str, float | str] = field(default_factory=dict, hash=False)
    """Whatever else is published on the picture (a second score, attributes, the official split), by its own
    column name."""


@dataclass(frozen=True)
class Finding:
    """Something that reading or checking a corpus has to say."""

    kind: Kind
    item: str  # a printable name: a file, an image_id, a table
    reason: str  # a sentence
    damage: bool  # True: the copy is not what was published; False: worth knowing


def printable(name: str) -> str:
    """Return a name that any terminal can show: bytes that are not UTF-8, and controls, as escapes."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def tidy(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings each once, printable and in a fixed order."""
    shown = {replace(one, item=printable(one.item), reason=printable(one.reason)) for one in findings}
    return sorted(shown, key=lambda one: (one.kind, one.item, one.reason))


@dataclass(frozen=True)
class Corpus:
    """A corpus as read: its pictures in a fixed order, and all that was odd about the copy."""

    name: str
    title: str
    items: tuple[Item, ...]  # sorted: references first, then by image_id
    findings: tuple[Finding, ...]
    source: Source
    scores: Scores | None
    licence: Licence

    @property
    def damaged(self) -> bool:
        """Whether any finding is damage."""
        return any(finding.damage for finding in self.findings)

    def unit_score(self, item: Item) -> float | None:
        """Return an item's score on 0 to 1, where higher is better; None where it has none.

        Linear between the ends of the scale. Scores beyond the scale are set aside on reading, so nothing is
        clipped.
        """
        if self.scores is None or item.score is None:
            return None
        share = (item.score - self.scores.low) / (self.scores.high - self.scores.low)
        return share if self.scores.better == "higher" else 1.0 - share
