"""A corpus' score table, joined to its pictures by name and checked against what was published."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from eyechart.corpora.corpus import REFERENCE, Finding, Item, Scores
from eyechart.corpora.tables import number

_TOLERANCE = 0.02  # of a checksum: the published tables are rounded to 3 decimals and more


@dataclass
class ScoreTable:
    """Scores by image_id, in the order of the file.

    Args:
        where: the file's name, for messages.
        rows: score and spread (None where none is published).
        extra: what else the file says, by image_id.
        lines: number of rows in the file, unusable ones too.
        complete: whether every distorted picture has to have a score.
        findings: rows that could not be used, and why.
    """

    where: str
    rows: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    extra: dict[str, Mapping[str, float | str]] = field(default_factory=dict)
    lines: int = 0
    complete: bool = True
    findings: list[Finding] = field(default_factory=list)

    def add(self, image_id: str, score: object, std: object = None) -> None:
        """Add a row; one that is no number or comes twice is set aside and told."""
        self.lines += 1
        if image_id in self.rows:
            self.tell(image_id, "It has two rows; the first is used.")
            return
        try:
            spread = None if std is None or str(std).strip() == "" else number(std)
            self.rows[image_id] = (number(score), spread)
        except ValueError:
            self.tell(image_id, f"Its score is no number ({score!r}, spread {std!r}).")

    def tell(self, item: str, reason: str, *, damage: bool = True) -> None:
        """Add a finding on the table."""
        self.findings.append(_finding(self.where, item, reason, damage=damage))


def _finding(where: str, item: str, reason: str, *, damage: bool) -> Finding:
    """A finding on a table, whose name is in the reason where the item is something else."""
    return Finding("table", item, reason if item == where else f"{where}: {reason}", damage)


def join_scores(items: list[Item], table: ScoreTable, scores: Scores) -> tuple[list[Item], list[Finding]]:
    """Return the items with their scores, and what was wrong with the table.

    Rows are matched by name, so that their order does not matter. Told are pictures without a row, rows
    without a picture, scores beyond the scale (set aside) and rows in another order than published.
    """
    joined, findings = [], list(table.findings)
    told = {finding.item for finding in findings}

    def tell(item: str, reason: str, *, damage: bool = True) -> None:
        findings.append(_finding(table.where, item, reason, damage=damage))

    for item in items:
        score, std = table.rows.get(item.image_id, (None, None))
        if score is not None and not scores.low <= score <= scores.high:
            tell(
                item.image_id, f"Its score {score:g} is outside {scores.low:g} to {scores.high:g}; set aside."
            )
            score, std = None, None
        elif score is None and _should_have(item, table) and item.image_id not in told:
            tell(item.image_id, "It has no row.")
        extra = table.extra.get(item.image_id, item.extra)
        joined.append(replace(item, score=score, score_std=std, extra=extra))
    known = {item.image_id for item in items}
    for unknown in sorted(set(table.rows) - known):
        tell(unknown, "The row names no picture of the corpus.")
    order = [item.image_id for item in items if item.image_id in table.rows]
    if order != [image_id for image_id in table.rows if image_id in known]:
        tell(table.where, "Its rows are not in the published order; they are matched by name.", damage=False)
    return joined, findings


def _should_have(item: Item, table: ScoreTable) -> bool:
    return table.complete and item.distortion != REFERENCE and item.file != ""


def checksum(rows: Mapping[str, tuple[float, float | None]]) -> float:
    """Return the sum of the scores, each weighted by a number from 0 to 1 that its image_id gives.

    Unlike a hash it does not mind rounding; unlike a plain sum it changes when two scores are swapped.
    """
    return sum(score * zlib.crc32(image_id.encode()) / 2**32 for image_id, (score, _) in sorted(rows.items()))


def compare_with_published(table: ScoreTable, published: float | None) -> list[Finding]:
    """Tell whether a complete table's scores are other than the published ones."""
    if published is None or not table.rows or abs(checksum(table.rows) - published) <= _TOLERANCE:
        return []
    reason = (
        "The scores are not the published ones, or not at the published pictures: rows or columns were "
        "shuffled or edited."
    )
    return [_finding(table.where, table.where, reason, damage=True)]
