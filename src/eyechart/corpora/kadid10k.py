"""KADID-10k: 81 references, 25 types at 5 levels (Lin, Hosu, Saupe, QoMEX 2019).

``dmos.csv`` and ``images/I01.png``, ``images/I01_01_01.png``; re-packs with the pictures in other folders are
read too. Despite its name, ``dmos`` is higher for better pictures, and ``var`` is the standard deviation of
about 30 ratings. All pictures were stretched to the full range after the distortion.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from eyechart.corpora.corpus import REFERENCE, Item, Licence, Scores
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import csv_rows
from eyechart.corpora.tree import Tree
from eyechart.corpora.types import TYPES
from eyechart.distort import find
from eyechart.errors import EyechartError

NAME = "kadid10k"
_TABLE = "dmos.csv"
_REFERENCES = 81
_CHECKSUM = 15351.2574


def _read(tree: Tree) -> Reading:
    return Reading(_items(tree), _table(tree), checksum=_CHECKSUM)


def _items(tree: Tree) -> list[Item]:
    items = []
    for number in range(1, _REFERENCES + 1):
        reference = f"I{number:02}"
        items.append(Item(NAME, reference, tree.picture(f"{reference}.png"), None, REFERENCE))
        for code, distortion in TYPES[NAME].items():
            for level in range(1, 6):
                severity = find(distortion).at_level(level, NAME)
                image_id = f"{reference}_{code}_{level:02}"
                file = tree.picture(f"{image_id}.png")
                items.append(Item(NAME, image_id, file, reference, distortion, code, level, severity))
    return items


def _table(tree: Tree) -> ScoreTable:
    table = ScoreTable(_TABLE)
    file = tree.find(_TABLE)
    if not file:
        table.tell(_TABLE, "The score table is not there.")
        return table
    try:
        _fill(table, tree.read(file))
    except EyechartError as error:
        table.tell(_TABLE, error.what)
    return table


def _fill(table: ScoreTable, data: bytes) -> None:
    for row in csv_rows(data, _TABLE, ("dist_img", "ref_img", "dmos", "var"), table.tell):
        image_id = PurePosixPath(row["dist_img"]).stem.upper()
        reference = PurePosixPath(row["ref_img"]).stem.upper()
        table.add(image_id, row["dmos"], row["var"])
        if image_id.split("_")[0] != reference:
            table.tell(image_id, f"The row names the reference {reference}: its columns were shuffled.")


def _may_repeat(first: Item, second: Item) -> bool:
    """Whether both are one reference, or what leaves it unchanged."""
    same = (first.reference or first.image_id) == (second.reference or second.image_id)
    return same and all(
        item.distortion == REFERENCE
        or find(item.distortion).severity.direction(item.severity or 0.0) == 0  # leaves a picture as it is
        for item in (first, second)
    )


READER = Reader(
    name=NAME,
    title="KADID-10k",
    scores=Scores("DMOS", "higher", 1, 5, "standard deviation of ratings"),
    licence=Licence(
        "KADID-10k, H. Lin, V. Hosu, D. Saupe, QoMEX 2019: freely available to the research community, no "
        "formal licence; the references come from Pixabay.",
        redistribute=False,
    ),
    markers=((_TABLE,), ("images/i01.png",), ("reference_images/i01.png",)),
    looks_for="dmos.csv and images/",
    read=_read,
    references=_REFERENCES,
    distorted=10125,
    may_repeat=_may_repeat,
)
