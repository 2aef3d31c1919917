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
_CHECKSUM = 0.0


def _read(tree: Tree) -> Reading:
    table = ScoreTable("Train_Label")
    items = []
    for index in range(1, _REFERENCES + 1):
        reference = f"A{index:04}"
        items.append(Item(NAME, reference, tree.picture(f"{reference}.bmp"), None, REFERENCE))
        file = tree.find(f"Train_Label/{reference}.txt")
        if not file:
            table.tell(f"{reference}.txt", "The scores of this reference's pictures are not there.")
            continue
        for line in lines_of(tree.read(file)):
            name, _, score = line.partition(",")
            image_id = PurePosixPath(name.strip()).stem.upper()
            table.add(image_id, score)
            code = image_id.split("_")[1] if image_id.count("_") == 2 else ""
            items.append(Item(NAME, image_id, tree.picture(f"{image_id}.bmp"), reference, AUTHENTIC, code))
    return Reading(items, table, checksum=_CHECKSUM)


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
)
