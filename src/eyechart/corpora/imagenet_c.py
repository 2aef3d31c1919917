"""Folders like those of ImageNet-C (Hendrycks and Dietterich, ICLR 2019): no scores.

``<corruption>/<level 1-5>/<class>/<picture>``, at any depth (``noise/gaussian_noise/...`` too). All
corruptions of one picture have the reference ``<class>/<picture>``, which is not in the archive but keeps
them in one split.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from eyechart.corpora.corpus import Finding, Item, Licence
from eyechart.corpora.decode import is_picture
from eyechart.corpora.reader import Reader, Reading
from eyechart.corpora.tree import Tree
from eyechart.corpora.types import TYPES
from eyechart.errors import EyechartError

NAME = "imagenet_c"
_TYPES = TYPES[NAME]


def _read(tree: Tree) -> Reading:
    items = []
    for file in tree.files:
        parts = PurePosixPath(file).parts[-4:]
        if is_picture(file) and len(parts) == 4 and parts[0] in _TYPES and parts[1] in "12345":
            code, level, group, name = parts
            reference = f"{group}/{PurePosixPath(name).stem}"
            image_id = f"{code}/{level}/{reference}"
            items.append(Item(NAME, image_id, file, reference, _TYPES[code], code, int(level)))
    if not items:
        what = f"{tree.source.path} has no <corruption>/<1-5>/<class>/<picture>."
        raise EyechartError(what, f"Corruptions: {', '.join(_TYPES)}.")
    return Reading(items, None, _uneven(items))


def _uneven(items: list[Item]) -> list[Finding]:
    """Corruptions and levels that have fewer pictures than the fullest one."""
    cells = Counter(f"{item.code}/{item.level}" for item in items)
    most = max(cells.values())
    codes = sorted({item.code for item in items})
    return [
        Finding("missing", cell, f"It has {cells[cell]:,} pictures, the fullest has {most:,}.", damage=True)
        for cell in (f"{code}/{level}" for code in codes for level in range(1, 6))
        if cells[cell] < most
    ]


READER = Reader(
    name=NAME,
    title="a folder like ImageNet-C",
    scores=None,
    licence=Licence(
        "ImageNet-C, D. Hendrycks, T. Dietterich, ICLR 2019 (CC BY 4.0); the pictures are ImageNet's: for "
        "non-commercial research and education.",
        redistribute=False,
    ),
    markers=((),),
    looks_for="<corruption>/<1-5>/<class>/<picture>",
    read=_read,
    references=None,
    distorted=None,
    may_repeat=lambda first, second: True,
)
