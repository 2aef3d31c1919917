"""CSIQ: 30 references, 6 types at 3 to 5 levels (Larson and Chandler, J. Electronic Imaging 2010).

``src_imgs`` and ``dst_imgs`` as folders or zips, and ``csiq.DMOS.xlsx``; where the workbook is not there,
``csiq.DMOS.csv``, ``csiq_label.txt`` or ``csiq.beta.txt``. Type and level come from the file name
``1600.AWGN.1.png`` in any letter case, whatever the folder. DMOS is lower for better pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

from eyechart.corpora.corpus import REFERENCE, Item, Licence, Scores
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import csv_rows, lines_of, xlsx_rows
from eyechart.corpora.tree import Tree
from eyechart.corpora.types import TYPES
from eyechart.errors import EyechartError

NAME = "csiq"
REFERENCES = (
    *("1600", "aerial_city", "boston", "bridge", "butter_flower", "cactus", "child_swimming", "couple"),
    *("elk", "family", "fisher", "foxy", "geckos", "lady_liberty", "lake", "log_seaside", "monument"),
    *("native_american", "redwood", "roping", "rushmore", "shroom", "snow_leaves", "sunset_sparrow"),
    *("sunsetcolor", "swarm", "trolley", "turtle", "veggies", "woman"),
)
_TOKENS = {  # as file names have them, in the workbook's order
    "awgn": "AWGN",
    "jpeg": "JPEG",
    "jpeg2000": "jpeg2000",
    "fnoise": "fnoise",
    "blur": "BLUR",
    "contrast": "contrast",
}
_WORKBOOK_NAMES = {"noise": "awgn", "jpeg 2000": "jpeg2000"}  # the others are those of the files
_THREE_LEVELS = {"elk", "geckos", "lady_liberty", "swarm"}  # of contrast; the others have four
_COLUMNS = ("image", "dst_type", "dst_lev", "dmos_std", "dmos")
_CHECKSUM = 146.2552


def _read(tree: Tree) -> Reading:
    return Reading(_items(tree), _table(tree), checksum=_CHECKSUM)


def _items(tree: Tree) -> list[Item]:
    items = []
    for reference in REFERENCES:
        items.append(Item(NAME, reference, tree.picture(f"{reference}.png"), None, REFERENCE))
        for code, token in _TOKENS.items():
            levels = 5 if code != "contrast" else 3 if reference in _THREE_LEVELS else 4
            for level in range(1, levels + 1):
                image_id = f"{reference}.{token}.{level}"
                file = tree.picture(f"{image_id}.png")
                items.append(Item(NAME, image_id, file, reference, TYPES[NAME][code], code, level))
    return items


def _table(tree: Tree) -> ScoreTable:
    known: dict[str, Callable[[bytes, ScoreTable], None]] = {
        "csiq.DMOS.xlsx": _workbook,
        "csiq.beta.xlsx": _workbook,
        "csiq.DMOS.csv": _csv,
        "csiq_label.txt": _labels,
        "csiq.beta.txt": _text,
    }
    for name, fill in known.items():
        file = tree.anywhere(name)
        if file:
            table = ScoreTable(name)
            try:
                fill(tree.read(file), table)
            except EyechartError as error:
                table.tell(name, error.what)
            if name != "csiq.DMOS.xlsx":
                table.tell(name, "Used because csiq.DMOS.xlsx is not there.", damage=False)
            return table
    table = ScoreTable("csiq.DMOS.xlsx")
    table.tell(table.where, "The score table is not there.")
    return table


def _id(image: Any, kind: Any, level: Any) -> str:
    """The official name; image 1600 and the levels are numbers in the workbook."""
    name = str(int(image)) if isinstance(image, int | float) else str(image).strip()
    code = str(kind).strip().casefold()
    code = _WORKBOOK_NAMES.get(code, code)
    level = int(level) if isinstance(level, int | float) else str(level).strip()
    return f"{name.casefold()}.{_TOKENS.get(code, code)}.{level}"


def _workbook(data: bytes, table: ScoreTable) -> None:
    for row in xlsx_rows(data, table.where, _COLUMNS, "all_by_image"):
        table.add(_id(row["image"], row["dst_type"], row["dst_lev"]), row["dmos"], row["dmos_std"])


def _csv(data: bytes, table: ScoreTable) -> None:
    for row in csv_rows(data, table.where, _COLUMNS, table.tell):
        table.add(_id(row["image"], row["dst_type"], row["dst_lev"]), row["dmos"], row["dmos_std"])


def _labels(data: bytes, table: ScoreTable) -> None:
    """Read lines ``1600.AWGN.1.png 0.061989``: no spread."""
    for line in lines_of(data):
        file, _, score = line.partition(" ")
        table.add(_id(*_parts(PurePosixPath(file).stem)), score)


def _text(data: bytes, table: ScoreTable) -> None:
    """Read lines of image, type number, type, level, spread, score, separated by tabs."""
    for line in lines_of(data):
        cells = [cell.strip() for cell in line.split("\t")]
        image, kind, level, std, score = (cells[at] if at < len(cells) else "" for at in (0, 2, 3, 4, 5))
        table.add(_id(image, kind, level), score, std)


def _parts(stem: str) -> tuple[str, str, str]:
    name, _, rest = stem.partition(".")
    kind, _, level = rest.partition(".")
    return name, kind, level


READER = Reader(
    name=NAME,
    title="CSIQ",
    scores=Scores("DMOS", "lower", 0, 1, "standard deviation of ratings"),
    licence=Licence(
        "CSIQ, E. C. Larson, D. M. Chandler, J. Electronic Imaging 19(1), 2010: free download, no licence "
        "text known.",
        redistribute=False,
    ),
    markers=(("dst_imgs",), ("dst_imgs_all",), ("csiq.dmos.xlsx",)),
    looks_for="src_imgs/, dst_imgs/ (or their zips) and csiq.DMOS.xlsx",
    read=_read,
    references=len(REFERENCES),
    distorted=866,
    beside=("csiq.DMOS.xlsx",),
    archives={"src_imgs.zip": "src_imgs", "dst_imgs.zip": "dst_imgs"},
)
