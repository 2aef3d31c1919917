"""The user's own pictures: a folder with ``images.csv``.

Columns (only `file` is needed; cells may be empty):

* ``file``: the picture's name relative to the folder, with ``/``; its image_id is the name without suffix.
* ``distortion``: one of Eyechart's types, ``none`` for a picture without distortion, ``authentic`` (or empty)
  where
  it is not known.
* ``reference``: the ``file`` of the picture without distortion, which must have a row of its own.
* ``level``: a whole number, stronger is higher.
* ``severity``: a physical parameter.
* ``score``: 0 to 1, higher is better; ``score_std`` its spread.

Other columns are kept in `extra`. Pictures that share a reference stay in one split.
"""

from __future__ import annotations

from functools import cache
from pathlib import PurePosixPath

from eyechart.corpora.corpus import AUTHENTIC, REFERENCE, Item, Licence, Scores
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import csv_rows, number
from eyechart.corpora.tree import Tree

NAME = "folder"
_TABLE = "images.csv"
_OWN = frozenset({"file", "distortion", "reference", "level", "severity", "score", "score_std"})


def _read(tree: Tree) -> Reading:
    table = ScoreTable(_TABLE, complete=False)
    rows = csv_rows(tree.read(tree.find(_TABLE)), _TABLE, ("file",), table.tell)
    ids = {_id(row["file"]) for row in rows}
    items: dict[str, Item] = {}
    for row in rows:
        image_id = _id(row["file"])
        if image_id in items:
            table.tell(image_id, "It has two rows; the first is used.")
            continue
        item = _item(row, ids, tree, table)
        if item is None:
            continue
        items[image_id] = item
        if row.get("score"):
            table.add(image_id, row["score"], row.get("score_std"))
        table.extra[image_id] = {name: cell for name, cell in row.items() if name not in _OWN and cell}
    if not table.rows:
        return Reading([*items.values()], None, table.findings)
    return Reading([*items.values()], table)


def _id(file: str) -> str:
    """The name without suffix; "" for what is no file's name."""
    path = PurePosixPath(file)
    return str(path.with_suffix("")) if path.name else ""


def _item(row: dict[str, str], ids: set[str], tree: Tree, table: ScoreTable) -> Item | None:
    """The row's item; None, with a finding, where the row cannot be used."""
    image_id, distortion = _id(row["file"]), row.get("distortion") or AUTHENTIC
    reference = _id(row.get("reference", "")) or None
    if not image_id:
        table.tell(row["file"] or "file", "The row names no file.")
        return None
    known = _types()
    if distortion not in known:
        table.tell(image_id, f"{distortion!r} is no distortion; known: {', '.join(sorted(known))}.")
        return None
    if reference is not None and (distortion == REFERENCE or reference not in ids):
        why = "has no row" if reference not in ids else "is named for a picture without distortion"
        table.tell(image_id, f"Its reference {reference} {why}.")
        return None
    try:
        level = int(row["level"]) if row.get("level") else None
        severity = number(row["severity"]) if row.get("severity") else None
    except ValueError:
        table.tell(
            image_id, f"Its level {row.get('level')!r} or severity {row.get('severity')!r} is no number."
        )
        return None
    return Item(NAME, image_id, tree.find(row["file"]), reference, distortion, "", level, severity)


@cache
def _types() -> frozenset[str]:
    from eyechart.corpora.types import TYPES
    from eyechart.distort import registry

    published = {distortion for types in TYPES.values() for distortion in types.values()}
    return frozenset({REFERENCE, AUTHENTIC, *registry(), *published})


READER = Reader(
    name=NAME,
    title="a folder of your own",
    scores=Scores("score", "higher", 0, 1, "as you state it"),
    licence=Licence("Your own pictures: their terms are yours to state.", redistribute=False),
    markers=((_TABLE,),),
    looks_for="images.csv, with the column file",
    read=_read,
    references=None,
    distorted=None,
    may_repeat=lambda first, second: True,
)
