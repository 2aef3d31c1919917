"""KonIQ-10k: 10,073 photographs with authentic distortions (Hosu, Lin, Sziranyi, Saupe, TIP 2020).

``1024x768/`` or ``512x384/`` (the larger is read where both are there), and
``koniq10k_scores_and_distributions.csv`` or ``koniq10k_distributions_sets.csv``, or both. Two scores go by
the name MOS: one of 1 to 5 and one of 0 to 100 (``MOS_zscore`` in the first file, ``MOS`` in the second).
`score` is always that of 1 to 5, the mean of the ratings' distribution c1..c5; `extra` keeps ``MOS_zscore``
and the official split ``set`` (training, validation, test) where published.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from eyechart.corpora.corpus import Licence, Scores
from eyechart.corpora.listed import items_of, need
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import csv_rows, number, value
from eyechart.corpora.tree import Tree

NAME = "koniq10k"
_PLAIN = "koniq10k_scores_and_distributions.csv"
_SETS = "koniq10k_distributions_sets.csv"
_SHARES = ("c1", "c2", "c3", "c4", "c5")
_CHECKSUM = 15966.9959


def _read(tree: Tree) -> Reading:
    file = need(tree, _PLAIN, _SETS)
    where = PurePosixPath(file).name
    columns = ("image_name", *_SHARES, "MOS", "SD")
    table = ScoreTable(where)
    files = []
    extra: dict[str, dict[str, float | str]] = {}
    for row in csv_rows(tree.read(file), where, columns, table.tell):
        image_id = PurePosixPath(row["image_name"]).stem
        files.append(row["image_name"])
        table.add(image_id, _mean(row), row["SD"])
        extra[image_id] = _extra(row)
    sets = tree.anywhere(_SETS)
    if sets and sets != file:
        for row in csv_rows(tree.read(sets), _SETS, ("image_name", "set"), table.tell):
            extra.setdefault(PurePosixPath(row["image_name"]).stem, {})["set"] = row["set"]
    table.extra.update(extra)
    folder = "1024x768" if any("1024x768/" in file for file in tree.files) else ""
    return Reading(items_of(NAME, files, tree, folder), table, checksum=_CHECKSUM)


def _mean(row: dict[str, str]) -> object:
    """The mean rating; counts and shares give the same. A row that has no numbers is told by the table."""
    try:
        counts = [number(row[share]) for share in _SHARES]
        return sum(rating * count for rating, count in enumerate(counts, 1)) / sum(counts)
    except (ValueError, ZeroDivisionError):
        return " ".join(row[share] for share in _SHARES)


def _extra(row: dict[str, str]) -> dict[str, float | str]:
    extra: dict[str, float | str] = {"set": row["set"]} if "set" in row else {}
    zscore = row.get("MOS_zscore") or (row["MOS"] if "set" in row else "")
    if zscore:
        extra["MOS_zscore"] = value(zscore)
    return extra


READER = Reader(
    name=NAME,
    title="KonIQ-10k",
    scores=Scores("MOS", "higher", 1, 5, "standard deviation of ratings"),
    licence=Licence(
        "KonIQ-10k, V. Hosu, H. Lin, T. Sziranyi, D. Saupe, IEEE TIP 2020: scores MIT; pictures are "
        "Flickr's under Creative Commons licences that name their authors.",
        redistribute=False,
    ),
    markers=(("1024x768",), ("512x384",)),
    looks_for="1024x768/ or 512x384/",
    read=_read,
    references=0,
    distorted=10073,
    beside=(_PLAIN, _SETS),
    archives={
        "koniq10k_1024x768.zip": "1024x768",
        "koniq10k_512x384.zip": "512x384",
        "koniq10k_scores_and_distributions.zip": "koniq10k_scores_and_distributions",
    },
    may_repeat=lambda first, second: True,
)
