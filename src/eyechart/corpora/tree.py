"""A corpus' files, seen from the folder in which the corpus begins."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePosixPath

from eyechart.corpora.corpus import Finding
from eyechart.corpora.decode import is_picture
from eyechart.corpora.source import Source
from eyechart.errors import EyechartError

_DEEPEST = 3  # folders below the place that the user named


class Tree:
    """The files of a source at and below the corpus' root; letter case never matters.

    `findings` fills with pictures that are there under the same name in two folders.
    """

    def __init__(self, source: Source, root: str) -> None:
        self.source = source
        self.root = root  # "" or ends with a slash
        self.files = [name for name in source.names() if name.casefold().startswith(root.casefold())]
        self.findings: list[Finding] = []
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for name in self.files:
            if is_picture(name):
                self._by_name[PurePosixPath(name).name.casefold()].append(name)

    def find(self, *names: str) -> str:
        """Return the first of these files (names relative to the root) that is there; "" for none."""
        return next((found for name in names if (found := self.source.find(self.root + name))), "")

    def anywhere(self, *names: str) -> str:
        """Return the first of these files, wherever in the source it is; "" for none."""
        everywhere = self.source.names()
        for name in names:
            for found in everywhere:
                if PurePosixPath(found).name.casefold() == name.casefold():
                    return found
        return ""

    def picture(self, name: str, folder: str = "") -> str:
        """Return the picture of that name below the root, in whatever folder; "" for none.

        Args:
            name: a file name without folders.
            folder: only below folders of this name.
        """
        found = self._by_name.get(name.casefold(), [])
        if folder:
            found = [file for file in found if f"/{folder.casefold()}/" in f"/{file.casefold()}"]
        for other in found[1:]:
            reason = f"A picture of this name is also at {found[0]}, which is read."
            self.findings.append(Finding("duplicate", other, reason, damage=True))
        return found[0] if found else ""

    def read(self, name: str) -> bytes:
        """Return a file's bytes by its name in the source."""
        return self.source.read(name)


def find_root(source: Source, markers: tuple[tuple[str, ...], ...]) -> str | None:
    """Return the folder ("" or with a slash at its end) that has all of a group of markers; None for none.

    Folders nearer to the top come first, at most three below it.
    """
    present: set[str] = set()
    folders = {""}
    for name in source.names():
        present.add(name.casefold())
        for parent in PurePosixPath(name).parents:
            if parent.name:
                present.add(str(parent).casefold())
                folders.add(f"{parent}/")
    nearest = sorted(folders, key=lambda folder: (folder.count("/"), folder))
    for group in markers:
        for folder in nearest:
            if folder.count("/") <= _DEEPEST and all((folder + name).casefold() in present for name in group):
                return folder
    return None


def tree_of(source: Source, title: str, markers: tuple[tuple[str, ...], ...], looks_for: str) -> Tree:
    """Return the corpus' tree.

    Raises:
        EyechartError: the markers are nowhere.
    """
    root = find_root(source, markers)
    if root is not None:
        return Tree(source, root)
    unread = "".join(f" {finding.item}: {finding.reason}" for finding in source.findings[:3])
    raise EyechartError(
        f"{source.path} does not hold {title}.{unread}",
        f"Name the folder that has {looks_for} (or one at most three above it).",
    )
