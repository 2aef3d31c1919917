"""LIVE Image Quality Assessment Database, release 2: 29 references, 779 distorted pictures, 5 types (2005).

``refimgs/``, ``jp2k/ jpeg/ wn/ gblur/ fastfading/`` with ``img1.bmp`` and so on and ``info.txt``,
``refnames_all.mat``, ``dmos.mat``, and ``dmos_realigned.mat``, a separate download that may lie beside the
folder. The arrays have 982 rows; the 203 with ``orgs == 1`` are copies of references and no pictures of the
study. The parameter in ``info.txt`` (bits per pixel, sigma, or SNR in dB) becomes `severity`; there are no
levels.

DMOS is lower for better pictures. The realigned one has no fixed ends: its scale here is the range of the
published values, -2.64 to 111.77, rounded outwards.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.corpora.corpus import REFERENCE, Finding, Item, Licence, Scores
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import lines_of, mat_arrays
from eyechart.corpora.tree import Tree
from eyechart.corpora.types import TYPES
from eyechart.errors import EyechartError

NAME = "live"
REFERENCES = (
    *("bikes", "building2", "buildings", "caps", "carnivaldolls", "cemetry", "churchandcapitol"),
    *("coinsinfountain", "dancers", "flowersonih35", "house", "lighthouse", "lighthouse2", "manfishing"),
    *("monarch", "ocean", "paintedhouse", "parrots", "plane", "rapids", "sailing1", "sailing2", "sailing3"),
    *("sailing4", "statue", "stream", "studentsculpture", "woman", "womanhat"),
)
FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}  # in the arrays' order
_ROWS = 982
_COPIES = 203
_CHECKSUM = 19892.1903
_SPELLINGS = {"gblur": ("gblur", "blur")}  # some copies rename the folder
_Rows = list[tuple[str, int, str]]  # folder, number of the picture, reference


def _read(tree: Tree) -> Reading:
    findings: list[Finding] = []
    rows = _rows(tree)
    realigned = tree.anywhere("dmos_realigned.mat")
    arrays = _arrays(tree, realigned, findings, "dmos_new", "dmos_std", "orgs")
    plain = _arrays(tree, tree.find("dmos.mat"), findings, "dmos", "orgs")
    copies = _copies(arrays, plain, findings)
    parameters = {folder: _parameters(tree, folder, findings) for folder in FOLDERS}
    items = [Item(NAME, name, tree.find(f"refimgs/{name}.bmp"), None, REFERENCE) for name in REFERENCES]
    known = set()
    for (folder, number, reference), copy in zip(rows, copies, strict=True):
        spellings = _SPELLINGS.get(folder, (folder,))
        file = tree.find(*(f"{spelling}/img{number}.bmp" for spelling in spellings))
        if copy:
            known.add(file)
            continue
        severity = parameters[folder].get(number)
        kind = TYPES[NAME][folder]
        items.append(Item(NAME, f"{folder}/img{number}", file, reference, kind, folder, None, severity))
    table, checksum = _table(rows, copies, arrays, plain)
    return Reading(items, table, findings, frozenset(known - {""}), checksum)


def _rows(tree: Tree) -> _Rows:
    """The 982 pictures in the arrays' order. Only refnames_all.mat says what their references are."""
    where = "refnames_all.mat"
    file = tree.find(where)
    if not file:
        raise EyechartError(
            f"{where} is not there: it alone names the references.", "Unpack it from the archive."
        )
    names = mat_arrays(tree.read(file), where, "refnames_all").get("refnames_all", np.array([]))
    if len(names) != _ROWS:
        what = f"{where} has {len(names):,} names, {_ROWS} were published; they go by position."
        raise EyechartError(what, "Unpack it from the archive again.")
    references = [PurePosixPath(str(name).strip()).stem.lower() for name in names]
    unknown = sorted(set(references) - set(REFERENCES))
    if unknown:
        raise EyechartError(
            f"{where} names unknown references: {', '.join(unknown[:3])}.", "Unpack it again."
        )
    places = [(folder, number) for folder, count in FOLDERS.items() for number in range(1, count + 1)]
    return [(*place, reference) for place, reference in zip(places, references, strict=True)]


def _arrays(tree: Tree, file: str, findings: list[Finding], *names: str) -> dict[str, NDArray[Any]]:
    """The variables of a file; none, and a finding, where it cannot be read."""
    try:
        return mat_arrays(tree.read(file), PurePosixPath(file).name, *names) if file else {}
    except EyechartError as error:
        findings.append(Finding("table", file, error.what, damage=True))
        return {}


def _copies(
    realigned: dict[str, NDArray[Any]], plain: dict[str, NDArray[Any]], findings: list[Finding]
) -> list[bool]:
    """Which rows are copies of references: orgs of both files and dmos_new == 0 have to agree."""
    said = {
        "dmos.mat: orgs": plain.get("orgs"),
        "dmos_realigned.mat: orgs": realigned.get("orgs"),
        "dmos_realigned.mat: dmos_new == 0": realigned["dmos_new"] == 0 if "dmos_new" in realigned else None,
    }
    usable = {}
    for where, array in said.items():
        if array is not None and len(array) == _ROWS:
            usable[where] = np.asarray(array) != 0
        elif array is not None:
            reason = f"{where} has {len(array):,} of {_ROWS} values and is left out."
            findings.append(Finding("table", where, reason, damage="dmos_new" in where))
    if not usable:
        what = (
            "Neither dmos.mat nor dmos_realigned.mat says which of the 982 pictures are copies of references."
        )
        raise EyechartError(what, "Unpack dmos.mat from the archive.")
    first, copies = next(iter(usable.items()))
    for where, other in usable.items():
        if (other != copies).any():
            reason = f"It and {first} disagree on which of the pictures are copies of references."
            findings.append(Finding("table", where, reason, damage=True))
    if copies.sum() != _COPIES:
        reason = f"It tells of {int(copies.sum())} copies of references, {_COPIES} were published."
        findings.append(Finding("table", first, reason, damage=True))
    return [bool(copy) for copy in copies]


def _table(
    rows: _Rows, copies: list[bool], realigned: dict[str, NDArray[Any]], plain: dict[str, NDArray[Any]]
) -> tuple[ScoreTable, float | None]:
    """The realigned scores, else those of release 2; and the checksum, known for the realigned ones only."""
    table = ScoreTable("dmos_realigned.mat")
    scores, stds = realigned.get("dmos_new"), realigned.get("dmos_std")
    if scores is None:
        table = ScoreTable("dmos.mat")
        scores, stds = plain.get("dmos"), None
        reason = "Used because dmos_realigned.mat, which nearly all papers use, is not there or not readable."
        table.tell("dmos.mat", reason, damage=False)
    if scores is None or len(scores) != _ROWS:
        held = "no scores" if scores is None else f"{len(scores):,} of {_ROWS} scores, which go by position"
        table.tell(table.where, f"It has {held}: all are left out.")
        return table, None
    if stds is not None and len(stds) != _ROWS:
        table.tell("dmos_std", f"It has {len(stds):,} of {_ROWS} values: the spreads are left out.")
        stds = None
    for at, ((folder, number, _), copy) in enumerate(zip(rows, copies, strict=True)):
        if not copy:
            table.add(f"{folder}/img{number}", scores[at], None if stds is None else stds[at])
    return table, _CHECKSUM if table.where == "dmos_realigned.mat" else None


def _parameters(tree: Tree, folder: str, findings: list[Finding]) -> dict[int, float]:
    """The parameter of each picture by its number.

    Lines are ``<source> <picture> <parameter>`` in any order, with broken line ends. The source is not used:
    one published row of wn names a wrong one.
    """
    spellings = _SPELLINGS.get(folder, (folder,))
    file = tree.find(*(f"{spelling}/info.txt" for spelling in spellings))
    if not file:
        reason = "It is not there: these pictures have no severity."
        findings.append(Finding("note", f"{folder}/info.txt", reason, damage=False))
        return {}
    found = {}
    for line in lines_of(tree.read(file)):
        match = re.fullmatch(r"\S+\s+img(\d+)\.bmp\s+(\S+)", line, re.IGNORECASE)
        try:
            number, value = (int(match[1]), float(match[2])) if match else (0, np.nan)
        except ValueError:
            number, value = 0, np.nan
        if not 1 <= number <= FOLDERS[folder] or number in found or not np.isfinite(value):
            reason = f"This line is not <source> <picture> <parameter>, or comes twice: {line[:60]!r}."
            findings.append(Finding("table", file, reason, damage=True))
        else:
            found[number] = value
    if len(found) < FOLDERS[folder]:
        reason = f"It has parameters of {len(found)} of {FOLDERS[folder]} pictures."
        findings.append(Finding("note", file, reason, damage=False))
    return found


def _rated_twice(first: Item, second: Item) -> bool:
    """Whether these may be one picture under two numbers, as some JPEG pictures probably are."""
    return first.code == second.code == "jpeg" and first.reference == second.reference


READER = Reader(
    name=NAME,
    title="LIVE release 2",
    scores=Scores("DMOS", "lower", -3, 112, "standard deviation of the DMOS estimate"),
    licence=Licence(
        "Copyright (c) 2005 The University of Texas at Austin, All rights reserved. LIVE Image Quality "
        "Assessment Database Release 2 (H. R. Sheikh, Z. Wang, L. Cormack, A. C. Bovik): use, copy, modify "
        "and distribute for any purpose with the full notice kept and the source acknowledged; nine "
        "pictures of Visual Delights Inc. not outside the database.",
        redistribute=False,  # the nine pictures; the full notice is in the archive's readme.txt
    ),
    markers=(("refimgs", "jp2k"), ("refnames_all.mat",)),
    looks_for="refimgs/, jp2k/, jpeg/, wn/, gblur/, fastfading/, refnames_all.mat and dmos.mat",
    read=_read,
    references=len(REFERENCES),
    distorted=779,
    beside=("dmos_realigned.mat",),
    stray_is_damage=False,  # "the files img%%.bmp are the ones used in the testing", says the readme
    may_repeat=_rated_twice,
)
