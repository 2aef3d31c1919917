"""Read a corpus: what every reader's pictures go through, and all that is odd about the copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from eyechart.corpora.corpus import REFERENCE, Corpus, Finding, Item, tidy
from eyechart.corpora.decode import is_picture
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.registry import readers
from eyechart.corpora.scores import compare_with_published, join_scores
from eyechart.corpora.source import Source
from eyechart.corpora.tree import Tree, tree_of
from eyechart.errors import EyechartError


def read_corpus(name: str, path: Path, *, partial: bool = False) -> Corpus:
    """Read the names, types, levels and scores of a corpus; pictures are not decoded, nothing is written.

    Args:
        name: one of `registry.readers()`.
        path: the folder or zip as published, or a folder at most three above it.
        partial: whether the copy is known to hold only a part: missing pictures and rows are then no damage.

    Returns:
        the corpus. A damaged copy is read as far as it goes; its findings say what is wrong.

    Raises:
        EyechartError: no such corpus, a place without the corpus, an archive that must be unpacked first.
    """
    reader = readers().get(name)
    if reader is None:
        raise EyechartError(f"There is no corpus {name!r}.", f"Known: {', '.join(sorted(readers()))}.")
    source = Source(Path(path), reader.beside, reader.archives)
    tree = tree_of(source, reader.title, reader.markers, reader.looks_for)
    reading = reader.read(tree)
    items, findings = _scored(reader, reading, partial=partial)
    present = [item for item in items if item.file]
    if not present:
        raise EyechartError(f"{path} holds no picture of {reader.title}.", "Unpack the pictures there.")
    findings += [*source.findings, *reading.findings, *tree.findings, *_stray(reader, reading, tree)]
    findings += _missing(items, partial=partial)
    if partial:
        findings = [replace(found, damage=found.damage and found.kind != "missing") for found in findings]
    present.sort(key=lambda item: (item.distortion != REFERENCE, item.image_id))
    return Corpus(
        name, reader.title, tuple(present), tuple(tidy(findings)), source, reader.scores, reader.licence
    )


def _scored(reader: Reader, reading: Reading, *, partial: bool) -> tuple[list[Item], list[Finding]]:
    """Join the scores, and compare numbers and scores with those published."""
    findings = _counted(reader, reading, partial=partial)
    table = reading.table
    if table is None or reader.scores is None:
        return reading.items, findings
    items, told = join_scores(reading.items, table, reader.scores)
    if len(table.rows) == reader.distorted:
        told += compare_with_published(table, reading.checksum)
    return items, findings + told


def _counted(reader: Reader, reading: Reading, *, partial: bool) -> list[Finding]:
    findings = []
    table = reading.table
    references = sum(item.distortion == REFERENCE for item in reading.items)
    if reader.references is not None and references != reader.references:
        reason = f"The labels are of {references:,} references; {reader.references:,} were published."
        findings.append(Finding("table", reader.title, reason, damage=not partial))
    if table is not None and reader.distorted is not None and table.lines != reader.distorted:
        reason = f"It has {table.lines:,} rows; {reader.distorted:,} were published."
        findings.append(Finding("table", table.where, reason, damage=not partial))
    return findings


def _missing(items: list[Item], *, partial: bool) -> list[Finding]:
    """One finding per missing picture, or one for all where the copy is known to be partial."""
    absent = [item.image_id for item in items if not item.file]
    if not partial:
        return [Finding("missing", image_id, "The picture is not there.", True) for image_id in absent]
    if not absent:
        return []
    reason = (
        f"{len(absent):,} of {len(items):,} pictures are not there, in a copy that is said to be partial."
    )
    return [Finding("note", "partial", reason, damage=False)]


def _stray(reader: Reader, reading: Reading, tree: Tree) -> list[Finding]:
    """Tell of pictures that lie in the corpus' own folders and are not the corpus'."""
    used = {item.file for item in reading.items if item.file} | reading.known
    known = used | {finding.item for finding in tree.findings}
    folders = {PurePosixPath(file).parent for file in used}
    reason = "It is no picture of the published corpus; it is not read."
    return [
        Finding("extra", name, reason, reader.stray_is_damage)
        for name in tree.files
        if is_picture(name) and name not in known and PurePosixPath(name).parent in folders
    ]
