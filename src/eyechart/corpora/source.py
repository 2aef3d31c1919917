"""A folder or a zip as published, read in place: nothing is ever unpacked or written."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from eyechart.corpora.corpus import Finding, tidy
from eyechart.errors import EyechartError

MOST_BYTES = 256 * 2**20  # of one file; the largest picture that is decoded has 143 MiB as BMP
_UNPACK = {  # what the standard library cannot read, and what can
    ".rar": "Unpack it first with `unar FILE` or `7z x FILE`, and name the folder.",
    ".7z": "Unpack it first with `7z x FILE`, and name the folder.",
    ".tar": "Unpack it first with `tar xf FILE`, and name the folder.",
    ".gz": "Unpack it first with `tar xzf FILE`, and name the folder.",
    ".tgz": "Unpack it first with `tar xzf FILE`, and name the folder.",
}
_ENCRYPTED = "Unpack it first with `unzip FILE` or `7z x FILE` and the password, and name the folder."


@dataclass(frozen=True)
class _Member:
    size: int
    read: Callable[[], bytes]


class Source:
    """Files by their posix names, relative to the place that the user named.

    Zips that a corpus is published in are read as the folders that they stand for (``src_imgs.zip`` as
    ``src_imgs/``), unless that folder is there. What is not safe to read is left out and told in `findings`:
    links out of the folder, links to folders, devices, absolute names and names with ``..``, names that are
    not UTF-8, files beyond 256 MiB. Threads may read at the same time.
    """

    def __init__(
        self, path: Path, beside: tuple[str, ...] = (), archives: Mapping[str, str] | None = None
    ) -> None:
        """Open a place.

        Args:
            path: a folder or a zip.
            beside: names of files that are also taken from the folder in which `path` lies.
            archives: names of zips that may lie directly in the folder, and the folders that they stand for.

        Raises:
            EyechartError: there is nothing, or an archive that has to be unpacked first.
        """
        self.path = path
        self._archives = {name.casefold(): folder for name, folder in (archives or {}).items()}
        self._members: dict[str, _Member] = {}
        self._findings: list[Finding] = []
        if path.is_dir():
            self._add_folder(path.resolve())
        else:
            self._add_zip(path, "")
        self._add_beside(path.resolve().parent, beside)
        self._index: dict[str, str] = {}
        for name in sorted(self._members):
            first = self._index.setdefault(name.casefold(), name)
            if first != name:
                reason = f"Its name differs from {first} in letter case only; {first} is read."
                self._findings.append(Finding("duplicate", name, reason, damage=True))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was not safe to read, and names that differ in letter case only."""
        return tuple(tidy(self._findings))

    def names(self) -> list[str]:
        """Return the names of all files, sorted; of names that differ in letter case only, the first."""
        return sorted(self._index.values())

    def find(self, name: str) -> str:
        """Return the name of a file as it is there, whatever the letter case asked for; "" for none."""
        return self._index.get(name.casefold(), "")

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            EyechartError: the file is damaged in its archive or cannot be read.
        """
        try:
            return self._members[name].read()
        except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
            raise EyechartError(f"{name} cannot be read ({error}).", "Fetch or unpack it again.") from error
        except Exception as error:  # zlib, lzma and bz2 each have an error of their own
            raise EyechartError(f"{name} is damaged in its archive ({error}).", "Fetch it again.") from error

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        return self._members[name].size

    def _unsafe(self, name: str, reason: str) -> None:
        self._findings.append(Finding("unsafe", name, reason, damage=True))

    def _add_folder(self, folder: Path) -> None:
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            reason = _unsafe_file(path, folder)
            if reason:
                self._unsafe(name, reason)
                continue
            stands_for = self._archives.get(name.casefold())
            if stands_for and not (folder / stands_for).is_dir():
                self._mount(path, stands_for)
                continue
            self._members[name] = _Member(path.stat().st_size, path.read_bytes)

    def _mount(self, path: Path, folder: str) -> None:
        """Read a zip in the folder as a folder; one that cannot be read is told and costs nothing else."""
        try:
            self._add_zip(path, f"{folder}/")
        except EyechartError as error:
            self._findings.append(Finding("unreadable", path.name, f"{error.what} {error.remedy}", True))

    def _add_zip(self, path: Path, prefix: str) -> None:
        archive = _open_zip(path)
        for info in archive.infolist():
            if info.is_dir():
                continue
            name, reason = _zip_name(info)
            if not reason and f"{prefix}{name}" in self._members:
                reason = "The archive holds it twice; the first is read."
            if reason:
                self._unsafe(f"{prefix}{name}", reason)
                continue
            self._members[prefix + name] = _Member(info.file_size, partial(archive.read, info))

    def _add_beside(self, folder: Path, names: tuple[str, ...]) -> None:
        wanted = {name.casefold() for name in names} - {name.casefold() for name in self._members}
        if wanted:
            for path in sorted(folder.iterdir()):
                if path.name.casefold() in wanted and not _unsafe_file(path, folder):
                    self._members[path.name] = _Member(path.stat().st_size, path.read_bytes)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything that is no folder, links to folders, and folders that cannot be opened, sorted."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name)
        else:
            yield folder / entry.name


def _unsafe_file(path: Path, folder: Path) -> str:
    """Why a file of a folder is not read; "" where it is."""
    try:
        str(path.relative_to(folder)).encode("utf-8")
    except UnicodeEncodeError:
        return "Its name is not UTF-8, so it is not read."
    try:
        found = path.stat()
        inside = not path.is_symlink() or path.resolve(strict=True).is_relative_to(folder)
    except (OSError, RuntimeError):
        return "It is a link that leads nowhere, or cannot be looked at."
    if not inside:
        return "It is a link out of the folder, so it is not read."
    if stat.S_ISDIR(found.st_mode) and not path.is_symlink():
        return "It is a folder that cannot be opened."
    if stat.S_ISDIR(found.st_mode):
        return "It is a link to a folder; such links are not followed."
    if not stat.S_ISREG(found.st_mode):
        return "It is no regular file, so it is not read."
    return _too_large(found.st_size) if path.suffix.lower() != ".zip" else ""


def _too_large(size: int) -> str:
    return f"It has {size:,} bytes, more than {MOST_BYTES:,}, so it is not read." if size > MOST_BYTES else ""


def _open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip whose members can be read without a password."""
    if not path.is_file():
        raise EyechartError(f"There is no folder or archive {path}.", "Name the corpus' folder or zip.")
    remedy = _UNPACK.get(path.suffix.lower())
    if remedy:
        raise EyechartError(f"{path.name} cannot be read in place.", remedy.replace("FILE", path.name))
    try:
        archive = zipfile.ZipFile(path)
    except UnicodeDecodeError as error:
        what = f"{path.name} holds a name that is marked as UTF-8 and is not."
        raise EyechartError(what, "Unpack it and name the folder.") from error
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise EyechartError(f"{path.name} is no readable zip ({error}).", "Fetch it again.") from error
    if any(info.flag_bits & 1 for info in archive.infolist()):
        raise EyechartError(f"{path.name} is encrypted.", _ENCRYPTED.replace("FILE", path.name))
    return archive


def _zip_name(info: zipfile.ZipInfo) -> tuple[str, str]:
    """Return a member's name, and why it is not read ("" where it is)."""
    name = info.filename
    if not info.flag_bits & 0x800:  # zips made on Linux often hold UTF-8 without saying so
        raw = name.encode("cp437", "replace")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("utf-8", "backslashreplace"), "Its name is not UTF-8, so it is not read."
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        return name, "Its name leads out of the archive, so it is not read."
    mode = info.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        return name, "It is a link or a device, so it is not read."
    return path.as_posix(), _too_large(info.file_size)
