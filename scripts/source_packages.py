"""Fetch the packages that the shipped pictures come from, and read single files out of them.

Every package is named with its version and the sha256 of its archive in `collect/packages.csv`. It is
downloaded by the ordinary client of its ecosystem (npm, pip, apt-get), through whatever mirror a reader uses.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLES = Path(__file__).parent / "collect"
ARCHIVES = Path.home() / ".cache" / "eyechart" / "packages"


@dataclass(frozen=True)
class Package:
    """One pinned package: which client fetches it, and what its archive must be."""

    manager: str
    name: str
    version: str
    archive: str
    sha256: str


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, each a dict of column to text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    """Write rows, which all have the same columns in the same order, as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def pinned_packages() -> dict[str, Package]:
    """All pinned packages by name."""
    packages = [Package(**row) for row in read_table(TABLES / "packages.csv")]
    return {package.name: package for package in packages}


def sha256_of(data: bytes) -> str:
    """The sha256 of some bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def download_command(package: Package) -> list[str]:
    """The command that puts the archive of a package into the current folder."""
    if package.manager == "npm":
        return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    if package.manager == "apt":
        return ["apt-get", "download", f"{package.name}={package.version}"]
    # A wheel's name ends with its tags (cp311-cp311-PLATFORM): naming them fetches the same file everywhere.
    python, abi, platforms = package.archive.removesuffix(".whl").split("-")[-3:]
    tags = ["--python-version", python.removeprefix("cp"), "--abi", abi]
    for platform in platforms.split("."):
        tags += ["--platform", platform]
    requirement = f"{package.name}=={package.version}"
    return ["pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *tags, requirement]


@cache
def fetch(package: Package) -> Path:
    """Download a package unless it is there already, and check its sha256."""
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    path = ARCHIVES / package.archive
    if not path.exists():
        print(f"downloading {package.name} {package.version}", flush=True)
        subprocess.run(download_command(package), cwd=ARCHIVES, check=True)
    found = sha256_of(path.read_bytes())
    if found != package.sha256:
        raise SystemExit(f"{path} has sha256 {found}, but {package.sha256} is pinned. Delete it, try again.")
    return path


@cache
def open_tar(path: Path) -> tarfile.TarFile:
    """An npm archive, or the data part of a Debian archive, open for reading."""
    if path.suffix != ".deb":
        return tarfile.open(path)
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", path], check=True, capture_output=True).stdout
    return tarfile.open(fileobj=io.BytesIO(data))


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of one file inside an archive."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(member)
    file = open_tar(archive).extractfile(member)
    if file is None:
        raise SystemExit(f"{member} in {archive} is not a plain file.")
    return file.read()
