"""PIPAL, training part: 200 references, 116 distorted pictures of each (Gu et al., ECCV 2020).

``Train_Ref/A0001.bmp``, ``Distortion_1`` to ``Distortion_4`` with ``A0001_00_00.bmp``, and
``Train_Label/A0001.txt`` with lines ``name,score``. The meaning of the codes 00 to 06 is not published, so
that the distortion is "authentic". Scores are Elo ratings, without fixed ends: the scale is the range of the
published ones, 917 to 1836, rounded outwards.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from eyechart.corpora.corpus import AUTHENTIC, REFERENCE, Item, Licence, Scores
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import lines_of
from eyechart.corpora.tree import Tree

NAME = "pipal"
_REFERENCES = 200
_FOLDERS = ("Train_Ref", "Train_Label", "Distortion_1", "Distortion_2", "Distortion_3", "Distortion_4")


def _read(tree: Tree) -> Reading:
    table = ScoreTable("Train_Label")
    items = []
    for file in _label_files(tree):
        reference = PurePosixPath(file).stem.upper()
        items.append(Item(NAME, reference, tree.picture(f"{reference}.bmp"), None, REFERENCE))
        for line in lines_of(tree.read(file)):
            name, _, score = line.partition(",")
            image_id = PurePosixPath(name.strip()).stem.upper()
            table.add(image_id, score)
            code = image_id.split("_")[1] if image_id.count("_") == 2 else ""
            items.append(Item(NAME, image_id, tree.picture(f"{image_id}.bmp"), reference, AUTHENTIC, code))
    return Reading(items, table)


def _label_files(tree: Tree) -> list[str]:
    """One file for each reference; their numbers have gaps."""
    return [file for file in tree.files if "train_label/" in file.casefold() and file.endswith(".txt")]


READER = Reader(
    name=NAME,
    title="PIPAL",
    scores=Scores("Elo rating", "higher", 900, 1850, ""),
    licence=Licence(
        "PIPAL, J. Gu et al., ECCV 2020: for research; its references come from DIV2K and Flickr2K.",
        redistribute=False,
    ),
    markers=(("train_label",),),
    looks_for="Train_Ref/, Train_Label/ and Distortion_1/ to Distortion_4/",
    read=_read,
    references=_REFERENCES,
    distorted=23200,
    archives={f"{folder}.zip": folder for folder in _FOLDERS},
)
