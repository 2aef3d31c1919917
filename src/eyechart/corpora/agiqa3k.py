"""AGIQA-3K: 2,982 pictures made by six generators (Li et al., TCSVT 2023), MIT.

``data.csv`` and the pictures, in any folder. `score` is the quality's MOS (normalised to mean 2.5, standard
deviation 1; scale 0 to 5); `extra` keeps the prompt, its adjectives and style, and the alignment's MOS and
spread.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from eyechart.corpora.corpus import Licence, Scores
from eyechart.corpora.listed import items_of
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import csv_rows, value
from eyechart.corpora.tree import Tree

NAME = "agiqa3k"
_TABLE = "data.csv"
_TEXTS = ("prompt", "adj1", "adj2", "style")
_NUMBERS = ("mos_align", "std_align")
_CHECKSUM = 3652.4946


def _read(tree: Tree) -> Reading:
    table = ScoreTable(_TABLE)
    files = []
    columns = ("name", "mos_quality", "std_quality", *_TEXTS, *_NUMBERS)
    for row in csv_rows(tree.read(tree.find(_TABLE)), _TABLE, columns, table.tell):
        image_id = PurePosixPath(row["name"]).stem
        files.append(row["name"])
        table.add(image_id, row["mos_quality"], row["std_quality"])
        texts = {name: row[name] for name in _TEXTS if row[name]}
        table.extra[image_id] = {**texts, **{name: value(row[name]) for name in _NUMBERS}}
    return Reading(items_of(NAME, files, tree), table, checksum=_CHECKSUM)


READER = Reader(
    name=NAME,
    title="AGIQA-3K",
    scores=Scores("MOS", "higher", 0, 5, "standard deviation of ratings"),
    licence=Licence("AGIQA-3K, C. Li et al., IEEE TCSVT 2023: MIT licence.", redistribute=True),
    markers=((_TABLE,),),
    looks_for="data.csv and the pictures",
    read=_read,
    references=0,
    distorted=2982,
    beside=(_TABLE,),
    may_repeat=lambda first, second: True,
)
