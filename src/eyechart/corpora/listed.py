"""What readers share of corpora that are one table of file names and scores, without types and references."""

from __future__ import annotations

from pathlib import PurePosixPath

from eyechart.corpora.corpus import AUTHENTIC, Item
from eyechart.corpora.tree import Tree
from eyechart.errors import EyechartError


def items_of(corpus: str, files: list[str], tree: Tree, folder: str = "") -> list[Item]:
    """Return an item for each file that the table names, in its order; `file` is "" where it is not there."""
    paths = [PurePosixPath(file) for file in dict.fromkeys(files)]
    return [Item(corpus, path.stem, tree.picture(path.name, folder), None, AUTHENTIC) for path in paths]


def need(tree: Tree, *names: str) -> str:
    """Return the first of these tables that is there.

    Raises:
        EyechartError: none is.
    """
    found = tree.anywhere(*names)
    if not found:
        raise EyechartError(
            f"There is no {' and no '.join(names)}.", "It comes with the corpus; unpack it too."
        )
    return found
