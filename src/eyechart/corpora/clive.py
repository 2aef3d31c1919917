"""LIVE In the Wild Image Quality Challenge: 1,162 photographs from phones (Ghadiyaram and Bovik, TIP 2016).

``Images/`` and ``Data/AllImages_release.mat``, ``AllMOS_release.mat``, ``AllStdDev_release.mat``. The first
seven of 1,169 rows are pictures on which the observers were trained; they are left out.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from numpy.typing import NDArray

from eyechart.corpora.corpus import Licence, Scores
from eyechart.corpora.listed import items_of, need
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import mat_arrays
from eyechart.corpora.tree import Tree
from eyechart.errors import EyechartError

NAME = "clive"
_TRAINING = 7
_CHECKSUM = 31295.0694


def _read(tree: Tree) -> Reading:
    names = _array(tree, "AllImages_release.mat", "AllImages_release")
    scores = _array(tree, "AllMOS_release.mat", "AllMOS_release")
    if len(names) != len(scores):
        what = f"AllImages_release.mat has {len(names):,} rows, AllMOS_release.mat {len(scores):,}."
        raise EyechartError(what, "They go by position; unpack both from the archive again.")
    trained = [str(name) for name in names[:_TRAINING]]
    if trained != [f"t{number}.bmp" for number in range(1, _TRAINING + 1)]:
        raise EyechartError("The first seven rows are not t1.bmp to t7.bmp.", "Unpack the .mat files again.")
    table = ScoreTable("AllMOS_release.mat")
    stds = _stds(tree, table, len(names))
    files = [str(name) for name in names[_TRAINING:]]
    for at, file in enumerate(files, _TRAINING):
        table.add(PurePosixPath(file).stem, scores[at], None if stds is None else stds[at])
    return Reading(items_of(NAME, files, tree), table, checksum=_CHECKSUM)


def _array(tree: Tree, file: str, name: str) -> NDArray[Any]:
    arrays = mat_arrays(tree.read(need(tree, file)), file, name)
    if name not in arrays:
        raise EyechartError(f"{file} holds no {name}.", "Unpack it from the archive again.")
    return arrays[name]


def _stds(tree: Tree, table: ScoreTable, rows: int) -> NDArray[Any] | None:
    file = tree.anywhere("AllStdDev_release.mat")
    stds = mat_arrays(tree.read(file), file, "AllStdDev_release").get("AllStdDev_release") if file else None
    if stds is None or len(stds) != rows:
        table.tell("AllStdDev_release.mat", "It is not there or not complete: no spreads.", damage=False)
        return None
    return stds


READER = Reader(
    name=NAME,
    title="LIVE In the Wild Challenge",
    scores=Scores("MOS", "higher", 0, 100, "standard deviation of ratings"),
    licence=Licence(
        "LIVE In the Wild Image Quality Challenge Database, D. Ghadiyaram, A. C. Bovik, The University of "
        "Texas at Austin: for research, with the notice of its README kept.",
        redistribute=False,
    ),
    markers=(("images", "data/allmos_release.mat"), ("images",)),
    looks_for="Images/ and Data/AllImages_release.mat",
    read=_read,
    references=0,
    distorted=1162,
    may_repeat=lambda first, second: True,
)
