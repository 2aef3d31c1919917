"""Folders and zips read in place: what is safe is read, what is not is told, nothing leaves the place."""

from __future__ import annotations

import io
import os
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyechart.corpora.source import MOST_BYTES, Source
from eyechart.errors import EyechartError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two good files and, beside it, a secret."""
    inside = tmp_path / "corpus"
    (inside / "images").mkdir(parents=True)
    (inside / "images" / "a.png").write_bytes(b"a")
    (inside / "table.csv").write_bytes(b"table")
    (tmp_path / "secret").write_bytes(b"secret")
    return inside


def told(source: Source) -> dict[str, str]:
    return {finding.item: finding.reason for finding in source.findings}


def test_a_folder_is_read_by_posix_names_in_any_letter_case(folder: Path) -> None:
    source = Source(folder)
    assert source.names() == ["images/a.png", "table.csv"]
    assert source.findings == ()
    assert source.find("IMAGES/A.PNG") == "images/a.png"
    assert source.find("b.png") == ""
    assert (source.read("images/a.png"), source.size("table.csv")) == (b"a", 5)


def test_links_are_followed_within_the_folder_only(folder: Path, tmp_path: Path) -> None:
    (folder / "inner.png").symlink_to(folder / "images" / "a.png")
    (folder / "outer.png").symlink_to(tmp_path / "secret")
    (folder / "dangling.png").symlink_to(folder / "nothing")
    (folder / "loop").symlink_to(folder)
    (folder / "outside").symlink_to(tmp_path)
    source = Source(folder)
    assert source.names() == ["images/a.png", "inner.png", "table.csv"]
    assert told(source) == {
        "outer.png": "It is a link out of the folder, so it is not read.",
        "dangling.png": "It is a link that leads nowhere, or cannot be looked at.",
        "loop": "It is a link to a folder; such links are not followed.",
        "outside": "It is a link out of the folder, so it is not read.",
    }
    assert all(finding.damage and finding.kind == "unsafe" for finding in source.findings)


def test_a_place_that_is_itself_a_link_is_fine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert Source(tmp_path / "link").names() == ["images/a.png", "table.csv"]


def test_pipes_and_names_that_are_not_utf8_are_told(folder: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    odd = Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))
    odd.mkdir()
    (odd / "b.png").write_bytes(b"x")
    source = Source(folder)
    assert source.names() == ["images/a.png", "table.csv"]
    assert told(source) == {
        "\\udcff/b.png": "Its name is not UTF-8, so it is not read.",
        "pipe.png": "It is no regular file, so it is not read.",
        "caf\\udce9.png": "Its name is not UTF-8, so it is not read.",
    }


def test_a_file_beyond_the_limit_is_told(folder: Path) -> None:
    with (folder / "large.png").open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)  # sparse
    source = Source(folder)
    assert "large.png" not in source.names()
    assert "more than 268,435,456" in told(source)["large.png"]


def test_control_characters_in_names_are_shown_as_escapes(folder: Path) -> None:
    (folder / "a\x1b[31m.png").symlink_to("/etc/hostname")
    assert list(told(Source(folder))) == ["a\\x1b[31m.png"]


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_members_that_lead_out_of_an_archive_are_told(tmp_path: Path) -> None:
    bad = ["../evil.png", "/etc/passwd", "a/../../b.png", "C:/x.png", "..\\evil.png"]
    source = Source(pack(tmp_path / "a.zip", {"good.png": b"good", **dict.fromkeys(bad, b"x")}))
    assert source.names() == ["good.png"]
    assert set(told(source)) == set(bad)
    assert {"Its name leads out of the archive, so it is not read."} == set(told(source).values())
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_links_bombs_and_doubles_in_an_archive_are_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("twice.png", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("twice.png", b"2")
        with archive.open("bomb.png", "w") as stream:
            for _ in range(MOST_BYTES // 2**24 + 1):
                stream.write(bytes(2**24))
    source = Source(tmp_path / "a.zip")
    assert source.names() == ["twice.png"]
    assert source.read("twice.png") == b"1"
    assert told(source)["link.png"] == "It is a link or a device, so it is not read."
    assert "so it is not read" in told(source)["bomb.png"]
    assert told(source)["twice.png"] == "The archive holds it twice; the first is read."


def test_names_in_an_archive_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"good.png": b"1", "caf#.png": b"2", "stra##e.png": b"3"})
    data = (tmp_path / "a.zip").read_bytes()
    data = data.replace(b"caf#", b"caf\xe9").replace(b"##", "ß".encode())  # neither says it is UTF-8
    (tmp_path / "a.zip").write_bytes(data)
    source = Source(tmp_path / "a.zip")
    assert source.names() == ["good.png", "straße.png"]
    assert source.read("straße.png") == b"3"
    assert told(source) == {"caf\\xe9.png": "Its name is not UTF-8, so it is not read."}


def test_a_damaged_member_costs_itself_only(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"a.png": b"first", "b.png": b"second"})
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(b"first", b"fIrst"))
    source = Source(tmp_path / "a.zip")
    assert source.read("b.png") == b"second"
    with pytest.raises(EyechartError, match=r"a\.png cannot be read"):
        source.read("a.png")


def test_archives_that_must_be_unpacked_first_say_how(tmp_path: Path) -> None:
    (tmp_path / "tid2013.rar").write_bytes(b"Rar!")
    with pytest.raises(EyechartError, match=r"unar tid2013\.rar"):
        Source(tmp_path / "tid2013.rar")
    data = bytearray(pack(tmp_path / "live.zip", {"a.bmp": b"1"}).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "live.zip").write_bytes(data)
    with pytest.raises(EyechartError, match="encrypted"):
        Source(tmp_path / "live.zip")
    (tmp_path / "cut.zip").write_bytes(bytes(data[:40]))
    with pytest.raises(EyechartError, match="no readable zip"):
        Source(tmp_path / "cut.zip")


def test_zips_of_a_corpus_stand_for_folders_unless_these_are_there(folder: Path) -> None:
    pack(folder / "images.zip", {"zipped.png": b"z"})
    pack(folder / "more.zip", {"b.png": b"b"})
    (folder / "broken.zip").write_bytes(b"PK")
    archives = {"images.zip": "images", "MORE.zip": "part", "broken.zip": "broken"}
    source = Source(folder, archives=archives)
    assert source.names() == ["images.zip", "images/a.png", "part/b.png", "table.csv"]
    assert list(told(source)) == ["broken.zip"]


def test_a_file_beside_the_folder_is_read_where_it_is_asked_for(folder: Path) -> None:
    assert Source(folder, ("SECRET", "table.csv")).names() == ["images/a.png", "secret", "table.csv"]


NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(st.lists(NAME | st.text("./\\ab:", min_size=1, max_size=8), max_size=6, unique=True))
def test_whatever_the_members_names_only_inner_ones_are_read(names: list[str]) -> None:

    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.zip"
        path.write_bytes(data.getvalue())
        source = Source(path)
        root = Path(place).resolve()
        for name in source.names():
            assert (root / name).resolve().is_relative_to(root)
            assert source.read(name) == b"x"
