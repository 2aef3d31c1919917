"""SPAQ: 11,125 photographs from phones (Fang, Zhu, Zeng, Ma, Wang, CVPR 2020).

``TestImage/00001.jpg`` and ``Annotations/MOS and Image attribute scores.xlsx``. MOS and the five attributes
(brightness, colorfulness, contrast, noisiness, sharpness: in `extra`) go from 0 to 100.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from eyechart.corpora.corpus import Licence, Scores
from eyechart.corpora.listed import items_of, need
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import xlsx_rows
from eyechart.corpora.tree import Tree

NAME = "spaq"
_TABLE = "MOS and Image attribute scores.xlsx"
ATTRIBUTES = ("Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness")


def _read(tree: Tree) -> Reading:
    table = ScoreTable(_TABLE)
    files = []
    for row in xlsx_rows(tree.read(need(tree, _TABLE)), _TABLE, ("Image name", "MOS")):
        image_id = PurePosixPath(str(row["Image name"]).strip()).stem
        files.append(f"{image_id}.jpg")
        table.add(image_id, row["MOS"])
        table.extra[image_id] = {
            name: float(row[name]) for name in ATTRIBUTES if isinstance(row.get(name), int | float)
        }
    return Reading(items_of(NAME, files, tree), table)


READER = Reader(
    name=NAME,
    title="SPAQ",
    scores=Scores("MOS", "higher", 0, 100, ""),
    licence=Licence(
        "SPAQ, Y. Fang, H. Zhu, Y. Zeng, K. Ma, Z. Wang, CVPR 2020: for research; no licence text known.",
        redistribute=False,
    ),
    markers=(("testimage",),),
    looks_for="TestImage/ and Annotations/",
    read=_read,
    references=0,
    distorted=11125,
    beside=(_TABLE,),
    may_repeat=lambda first, second: True,
)
