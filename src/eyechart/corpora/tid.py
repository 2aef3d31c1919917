"""TID2013 and TID2008: 25 references, 24 types at 5 levels and 17 types at 4 (Ponomarenko et al.).

``mos_with_names.txt``, ``mos.txt``, ``mos_std.txt``, ``reference_images/I01.BMP`` and
``distorted_images/i01_01_1.bmp``. The letter case of names is mixed in the archive itself and differs between
copies, so it never matters; image_ids are written ``I01_01_1``. MOS is higher for better pictures.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath

from eyechart.corpora.corpus import REFERENCE, Item, Licence, Scores
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.scores import ScoreTable
from eyechart.corpora.tables import lines_of, number
from eyechart.corpora.tree import Tree
from eyechart.corpora.types import TYPES
from eyechart.errors import EyechartError

_REFERENCES = 25
_LEVELS = {"tid2008": 4, "tid2013": 5}
_COUNTS = {"tid2008": 1700, "tid2013": 3000}
_CHECKSUM = {"tid2008": 3800.2423, "tid2013": 6699.3128}
_NAMES = "mos_with_names.txt"
_AGREE = 0.001  # mos.txt and mos_with_names.txt may be rounded differently


def _read(name: str, tree: Tree) -> Reading:
    return Reading(_items(name, tree), _table(name, tree), checksum=_CHECKSUM[name])


def _items(name: str, tree: Tree) -> list[Item]:
    items = []
    for index in range(1, _REFERENCES + 1):
        reference = f"I{index:02}"
        items.append(Item(name, reference, tree.picture(f"{reference}.bmp"), None, REFERENCE))
        for code, distortion in TYPES[name].items():
            for level in range(1, _LEVELS[name] + 1):
                image_id = f"{reference}_{code}_{level}"
                file = tree.picture(f"{image_id}.bmp")
                items.append(Item(name, image_id, file, reference, distortion, code, level))
    return items


def _table(name: str, tree: Tree) -> ScoreTable:
    table = ScoreTable(_NAMES)
    file = tree.find(_NAMES)
    if not file:
        table.tell(_NAMES, "The score table is not there.")
        return table
    lines = lines_of(tree.read(file))
    _refuse_sibling(name, len(lines))
    stds = _stds(tree, table, [line.split()[0] for line in lines])
    for line, std in zip(lines, stds, strict=True):
        score, *image = line.split(maxsplit=1)
        table.add(PurePosixPath("".join(image)).stem.upper(), score, std)
    return table


def _refuse_sibling(name: str, lines: int) -> None:
    """The two share file names, so that one would be read as the other, with the wrong pictures."""
    for other, count in _COUNTS.items():
        if other != name and count == lines:
            raise EyechartError(f"This is {other.upper()}, not {name.upper()}.", f"Name it {other}.")


def _stds(tree: Tree, table: ScoreTable, scores: list[str]) -> list[str | None]:
    """The standard errors; they have no names, so mos.txt has to show that the order is that of the names."""
    nothing: list[str | None] = [None] * len(scores)
    files = [tree.find("mos.txt"), tree.find("mos_std.txt")]
    if not all(files):
        table.tell("mos_std.txt", "mos.txt or mos_std.txt is not there: no standard errors.", damage=False)
        return nothing
    bare, stds = (lines_of(tree.read(file)) for file in files)
    if not len(bare) == len(stds) == len(scores):
        lengths = f"{len(scores):,}, {len(bare):,} and {len(stds):,} lines"
        table.tell("mos_std.txt", f"It, mos.txt and mos_std.txt have {lengths}: standard errors left out.")
        return nothing
    apart = sum(not _equal(one, other) for one, other in zip(bare, scores, strict=True))
    if apart:
        reason = (
            f"mos.txt differs in {apart:,} of {len(scores):,} lines: one of them was reordered or edited."
        )
        table.tell("mos.txt", f"{reason} Standard errors left out.")
        return nothing
    return list(stds)


def _equal(one: str, other: str) -> bool:
    try:
        return abs(number(one) - number(other)) <= _AGREE
    except ValueError:
        return False


def _reader(name: str, year: str) -> Reader:
    return Reader(
        name=name,
        title=f"TID{year}",
        scores=Scores("MOS", "higher", 0, 9, "standard error"),
        licence=Licence(
            f"TID{year}, N. Ponomarenko et al., Tampere image database: for educational and research "
            "purposes only, without fee, this notice and the authors' names kept, not to be modified without "
            "permission.",
            redistribute=False,
        ),
        markers=((_NAMES,), ("distorted_images", "reference_images")),
        looks_for="mos_with_names.txt, reference_images/ and distorted_images/",
        read=partial(_read, name),
        references=_REFERENCES,
        distorted=_COUNTS[name],
    )


TID2008 = _reader("tid2008", "2008")
TID2013 = _reader("tid2013", "2013")
