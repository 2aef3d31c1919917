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
    """A file of answers that only grows, JSON Lines; see :func:`opened`.

    Attributes:
        rows: every line, in the order in which the answers came.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path, self._stream = path, stream
        self.rows = list(self._read())

    def asked(self) -> set[tuple[str, str]]:
        """Return the questions that are answered: (image_id, template)."""
        return {(row["image_id"], row["template"]) for row in self.rows}

    def add(self, image_id: str, template: str, answer: Answer) -> None:
        """Write one answer; a process that is killed afterwards does not lose it."""
        row = {"image_id": image_id, "template": template, **asdict(answer)}
        with _told(self._path):
            self._stream.write(json.dumps(row).encode("ascii") + b"\n")
            self._stream.flush()
        self.rows.append(row)

    def _read(self) -> Iterator[dict[str, Any]]:
        self._stream.seek(0)
        whole = self._stream.read()
        end = whole.rfind(b"\n") + 1
        self._stream.truncate(end)
        for number, line in enumerate(whole[:end].split(b"\n")[:-1], start=1):
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict) or row.keys() != _KEYS:
                raise EyechartError(
                    f"line {number} of {self._path} is damaged",
                    "remove that line; its question is asked again",
                )
            yield row


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    """Open a journal, made if absent, and hold it against other processes.

    A line that a killed process left unfinished at the end is cut off, and its question asked again.

    Raises:
        EyechartError: a line before the last is damaged, another process asks the same questions, or the file
            cannot be written.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    with stream:
        _hold(stream, path)
        yield Journal(path, stream)


def _hold(stream: IO[bytes], path: Path) -> None:
    try:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go when the process dies
    except ImportError:  # Windows has no such locks
        pass
    except BlockingIOError:
        raise EyechartError(
            f"another process is writing answers to {path}", "wait until it has finished, or end it"
        ) from None


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EyechartError(
            f"cannot write {path}: {error.strerror or error}",
            "free some space or mend the permissions, then run the same command again; it resumes",
        ) from error
