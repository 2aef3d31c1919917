"""A folder or a zip as published, read in place: nothing is ever unpacked or written."""

from __future__ import annotations

from typing import Protocol

from eyechart.corpora.corpus import Finding


class Source(Protocol):
    """Files by their posix names, relative to the corpus' place."""

    findings: tuple[Finding, ...]  # what was not safe to read

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        ...

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        ...
