"""Answers of an endpoint as they came: one line each, written at once, so that none is asked for twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

from eyechart.errors import EyechartError
from eyechart.subjects.reply import Answer

_KEYS = {"image_id", "template", *(field.name for field in fields(Answer))}


class Journal:
    """A file of answers that only grows, JSON Lines.

    A line that a killed process left unfinished at the end is cut off, and its question asked again.

    Args:
        path: the file; made if absent.

    Attributes:
        rows: every line, in the order in which the answers came.

    Raises:
        EyechartError: a line before the last is damaged, or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told(path):
            self.rows = list(self._read())

    def asked(self) -> set[tuple[str, str]]:
        """Return the questions that are answered: (image_id, template)."""
        return {(row["image_id"], row["template"]) for row in self.rows}

    @contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """Open the file for :meth:`add`."""
        with _told(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            stream = self.path.open("ab")
        with stream:
            yield stream

    def add(self, stream: IO[bytes], image_id: str, template: str, answer: Answer) -> None:
        """Write one answer; it is on the disk's side of this process when this returns."""
        row = {"image_id": image_id, "template": template, **asdict(answer)}
        with _told(self.path):
            stream.write(json.dumps(row).encode("ascii") + b"\n")
            stream.flush()
        self.rows.append(row)

    def _read(self) -> Iterator[dict[str, Any]]:
        whole = self.path.read_bytes() if self.path.exists() else b""
        end = whole.rfind(b"\n") + 1
        if end < len(whole):
            with self.path.open("r+b") as stream:
                stream.truncate(end)
        for number, line in enumerate(whole[:end].split(b"\n")[:-1], start=1):
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict) or row.keys() != _KEYS:
                raise EyechartError(
                    f"line {number} of {self.path} is damaged",
                    "remove that line; its question is asked again",
                )
            yield row


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EyechartError(
            f"cannot write {path}: {error.strerror or error}",
            "free some space or mend the permissions, then run the same command again; it resumes",
        ) from error
