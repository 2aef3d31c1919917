"""Damaged copies: each fault has its own message, nothing else is lost, nothing is written."""

from __future__ import annotations

import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import corpora_trees as trees
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from eyechart.corpora.check import check_corpus
from eyechart.corpora.corpus import Finding
from eyechart.corpora.read import read_corpus
from eyechart.errors import EyechartError

Official = Callable[[str], Path]
VICTIM = "dst_imgs/blur/lake.BLUR.3.png"


@pytest.fixture
def csiq(official: Official, tmp_path: Path) -> Path:
    """Return a complete CSIQ, to be damaged."""
    return trees.copied(official("csiq"), tmp_path / "csiq")


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    """Return what lies in a folder, with sizes and times of change."""
    found = [(os.fsdecode(path), path.lstat()) for path in sorted(folder.rglob("*"))]
    return [(name, at.st_size, at.st_mtime_ns) for name, at in found]


def examine(name: str, root: Path, lost: int = 0) -> list[Finding]:
    """Read and check a copy; all items but those lost are there, and nothing around it has changed."""
    before = snapshot(root.parent)
    corpus = read_corpus(name, root)
    findings = check_corpus(corpus)
    assert snapshot(root.parent) == before
    official = {"csiq": 896, "tid2013": 3025, "live": 808}[name]
    assert len(corpus.items) == official - lost
    return findings


def the_one(findings: list[Finding]) -> Finding:
    """Return the only finding, which is damage."""
    (finding,) = findings
    assert finding.damage
    return finding


def bomb() -> bytes:
    """Return a PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


FAULTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda data: data[: len(data) // 2], "cannot be decoded"),
    "empty": (lambda data: b"", "the file is empty"),
    "text": (lambda data: b"<html>404</html>", "its bytes are no picture"),
    "bomb": (lambda data: bomb(), "more than 50,000,000 pixels (a decompression bomb)"),
    "recompressed": (lambda data: trees.encoded(1, ".jpg"), "is JPEG inside"),
    "resized": (lambda data: trees.encoded(1, ".png", (4, 9)), "It is 9 x 4 pixels, its reference 8 x 6."),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_picture_that_is_damaged_is_told_by_its_fault(fault: str, csiq: Path) -> None:
    change, told = FAULTS[fault]
    (csiq / VICTIM).write_bytes(change((csiq / VICTIM).read_bytes()))
    finding = the_one(examine("csiq", csiq))
    assert (finding.kind, finding.item) == ("unreadable", VICTIM)
    assert told in finding.reason


def test_a_missing_picture_is_named(csiq: Path) -> None:
    (csiq / VICTIM).unlink()
    finding = the_one(examine("csiq", csiq, lost=1))
    assert (finding.kind, finding.item) == ("missing", "lake.BLUR.3")


def test_a_missing_reference_costs_itself_only(csiq: Path) -> None:
    (csiq / "src_imgs" / "lake.png").unlink()
    finding = the_one(examine("csiq", csiq, lost=1))
    assert (finding.kind, finding.item) == ("missing", "lake")


def test_an_extra_picture_is_named(csiq: Path) -> None:
    (csiq / "dst_imgs" / "blur" / "lake.BLUR.6.png").write_bytes(trees.encoded(7))
    (csiq / "dst_imgs" / "blur" / "._lake.BLUR.5.png").write_bytes(b"a file of macOS")
    finding = the_one(examine("csiq", csiq))
    assert (finding.kind, finding.item) == ("extra", "dst_imgs/blur/lake.BLUR.6.png")


def test_a_picture_in_two_folders_is_named(csiq: Path) -> None:
    shutil.copyfile(csiq / VICTIM, csiq / "dst_imgs" / "lake.BLUR.3.png")
    finding = the_one(examine("csiq", csiq))
    assert (finding.kind, finding.item) == ("duplicate", "dst_imgs/lake.BLUR.3.png")
    assert VICTIM in finding.reason


def test_a_picture_under_another_name_is_named(csiq: Path) -> None:
    shutil.copyfile(csiq / "dst_imgs" / "jpeg" / "elk.JPEG.1.png", csiq / VICTIM)
    finding = the_one(examine("csiq", csiq))
    assert finding.kind == "duplicate"
    assert {finding.item, finding.reason.split()[-1]} == {VICTIM, "elk.JPEG.1."}


def test_names_that_differ_in_letter_case_only_are_told(csiq: Path) -> None:
    other = csiq / "dst_imgs" / "blur" / "lake.blur.3.png"
    other.write_bytes(trees.encoded(8))
    finding = the_one(examine("csiq", csiq))
    assert (finding.kind, finding.item) == ("duplicate", "dst_imgs/blur/lake.blur.3.png")
    assert "letter case only" in finding.reason


def rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change the lines of a text file."""
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


@pytest.fixture
def tid(official: Official, tmp_path: Path) -> Path:
    """Return a complete TID2013, to be damaged."""
    return trees.copied(official("tid2013"), tmp_path / "tid2013")


def test_a_score_too_few_is_counted_and_named(tid: Path) -> None:
    for table in ("mos_with_names.txt", "mos.txt", "mos_std.txt"):
        rewrite(tid / table, lambda lines: lines[:-1])
    told = {finding.item: finding.reason for finding in examine("tid2013", tid)}
    assert told == {
        "mos_with_names.txt": "It has 2,999 rows; 3,000 were published.",
        "I25_24_5": "mos_with_names.txt: It has no row.",
    }


def test_scores_of_another_length_than_their_names_are_told(tid: Path) -> None:
    rewrite(tid / "mos_std.txt", lambda lines: lines[:-1])
    finding = the_one(examine("tid2013", tid))
    assert "3,000, 3,000 and 2,999 lines: standard errors left out" in finding.reason


def shuffled(lines: list[str]) -> list[str]:
    return random.Random(0).sample(lines, len(lines))


def test_shuffled_rows_are_matched_by_name_but_spreads_are_not(tid: Path) -> None:
    before = {item.image_id: item.score for item in read_corpus("tid2013", tid).items}
    rewrite(tid / "mos_with_names.txt", shuffled)
    findings = examine("tid2013", tid)
    assert any("one of them was reordered" in finding.reason and finding.damage for finding in findings)
    assert any("not in the published order" in finding.reason and not finding.damage for finding in findings)
    after = read_corpus("tid2013", tid).items
    assert {item.image_id: item.score for item in after} == before
    assert all(item.score_std is None for item in after)


def test_a_column_shuffled_on_its_own_is_seen_by_the_checksum(tid: Path) -> None:
    def swap_two(lines: list[str]) -> list[str]:
        names = [line.split()[1] for line in lines]
        names[3], names[2000] = names[2000], names[3]
        return [f"{line.split()[0]} {name}" for line, name in zip(lines, names, strict=True)]

    rewrite(tid / "mos_with_names.txt", swap_two)
    findings = [finding for finding in examine("tid2013", tid) if finding.damage]
    assert "not the published ones" in the_one(findings).reason


def test_the_sibling_corpus_is_recognised(tid: Path) -> None:
    with pytest.raises(EyechartError, match="This is TID2013, not TID2008"):
        read_corpus("tid2008", tid)


def test_a_workbook_that_cannot_be_read_costs_the_scores_only(csiq: Path) -> None:
    (csiq / "csiq.DMOS.xlsx").write_bytes(b"PK\x03\x04 not all of it")
    told = [finding.reason for finding in examine("csiq", csiq) if finding.item == "csiq.DMOS.xlsx"]
    assert any("no readable workbook" in reason for reason in told)


def test_scores_that_go_by_position_are_left_out_where_one_is_lacking(
    official: Official, tmp_path: Path
) -> None:
    root = trees.copied(official("live"), tmp_path / "live")
    held = loadmat(root / "dmos_realigned.mat")
    savemat(root / "dmos_realigned.mat", {"dmos_new": held["dmos_new"][:, 1:], "dmos_std": held["dmos_std"]})
    findings = examine("live", root)
    assert any("981 of 982 scores, which go by position" in finding.reason for finding in findings)
    assert all(item.score is None for item in read_corpus("live", root).items)


def test_a_score_beyond_the_scale_is_set_aside(csiq: Path) -> None:
    (csiq / "csiq.DMOS.xlsx").unlink()
    labels = trees.shared("csiq/csiq_label.txt").read_text().replace("0.061989", "61.989")
    (csiq / "csiq_label.txt").write_text(labels)
    told = {finding.item: finding.reason for finding in examine("csiq", csiq) if finding.damage}
    assert "outside 0 to 1; set aside" in told["1600.AWGN.1"]
    scores = {item.image_id: item.score for item in read_corpus("csiq", csiq).items}
    assert scores["1600.AWGN.1"] is None


def test_a_wrong_place_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(trees.encoded(1))
    with pytest.raises(EyechartError, match=r"dmos\.csv and images/"):
        read_corpus("kadid10k", tmp_path)
    with pytest.raises(EyechartError, match="There is no folder or archive"):
        read_corpus("kadid10k", tmp_path / "nowhere")
    with pytest.raises(EyechartError, match="There is no corpus 'kadid'"):
        read_corpus("kadid", tmp_path)


def test_findings_are_the_same_whatever_the_order_on_disk(csiq: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for file in rng.choice(sorted((csiq / "dst_imgs").rglob("*.png")), 5, replace=False):
        file.unlink()
    other = tmp_path / "other"
    for file in rng.permutation(sorted(path for path in csiq.rglob("*") if path.is_file())):
        place = other / file.relative_to(csiq)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    one, two = read_corpus("csiq", csiq), read_corpus("csiq", other)
    assert (one.items, one.findings) == (two.items, two.findings)
