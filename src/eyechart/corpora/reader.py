"""What a reader of one corpus is, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from eyechart.corpora.corpus import Finding, Item, Licence, Scores
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tree import Tree


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    Args:
        items: every picture that was published, in the order of the score table; `file` is "" where it is not
            there. Scores are joined later.
        table: the scores by image_id, or None for a corpus without scores.
        findings: what was odd about side files.
        known: files that were published but are no pictures of the study.
        checksum: what `scores.checksum` gives on the published table; None where that is not known.
    """

    items: list[Item]
    table: ScoreTable | None
    findings: list[Finding] = field(default_factory=list)
    known: frozenset[str] = frozenset()
    checksum: float | None = None


def _never(first: Item, second: Item) -> bool:
    return False


@dataclass(frozen=True)
class Reader:
    """How one corpus is recognised, read and counted.

    Args:
        name: "kadid10k".
        title: "KADID-10k (2019)".
        scores: what its scores are.
        licence: its terms.
        markers: groups of files and folders, relative to the corpus' root; a folder that has all of one group
            is the root. Earlier groups are looked for first; an empty one takes
            the place that the user named.
        looks_for: the same in words, for a message.
        read: finds the items below the root.
        references: official number of references; None where the user decides.
        distorted: official number of rated (or distorted) pictures; None where the user decides.
        beside: files that may lie beside the corpus' folder.
        archives: zips that may lie in the corpus' folder, and the folders that they stand for.
        stray_is_damage: whether a picture too many is damage; False where the archive is known to have some.
        may_repeat: whether two pictures may have the same pixels in the published corpus itself.
    """

    name: str
    title: str
    scores: Scores | None
    licence: Licence
    markers: tuple[tuple[str, ...], ...]
    looks_for: str
    read: Callable[[Tree], Reading]
    references: int | None
    distorted: int | None
    beside: tuple[str, ...] = ()
    archives: Mapping[str, str] = field(default_factory=dict)
    stray_is_damage: bool = True
    may_repeat: Callable[[Item, Item], bool] = _never
