"""What is odd about the archives of LIVE, CSIQ, TID and KADID-10k, as readers meet it."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import corpora_trees as trees
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from eyechart.corpora.check import check_corpus
from eyechart.corpora.corpus import REFERENCE, Corpus, Item
from eyechart.corpora.read import read_corpus

Official = Callable[[str], Path]


def by_id(corpus: Corpus) -> dict[str, Item]:
    return {item.image_id: item for item in corpus.items}


def test_the_same_corpus_comes_from_zips_and_from_the_folder_above(
    official: Official, tmp_path: Path
) -> None:
    root = trees.copied(official("csiq"), tmp_path / "csiq")
    plain = [(item.image_id, item.score) for item in read_corpus("csiq", root).items]
    above = read_corpus("csiq", tmp_path)
    assert [(item.image_id, item.score) for item in above.items] == plain
    packed = tmp_path / "packed"
    packed.mkdir()
    for part in ("src_imgs", "dst_imgs"):
        with zipfile.ZipFile(packed / f"{part}.zip", "w") as archive:  # the official zips: no folder within
            for file in sorted((root / part).rglob("*.png")):
                archive.write(file, str(file.relative_to(root / part)).upper())
    shutil.copyfile(root / "csiq.DMOS.xlsx", packed / "CSIQ.dmos.xlsx")
    zipped = read_corpus("csiq", packed)
    assert [(item.image_id, item.score) for item in zipped.items] == plain
    assert check_corpus(zipped) == []


@pytest.mark.parametrize("table", ["csiq.DMOS.csv", "csiq_label.txt", "csiq.beta.txt"])
def test_csiq_scores_come_from_other_tables_too(table: str, official: Official, tmp_path: Path) -> None:
    root = trees.copied(official("csiq"), tmp_path / "csiq")
    workbook = by_id(read_corpus("csiq", root))
    (root / "csiq.DMOS.xlsx").unlink()
    shutil.copyfile(trees.shared(f"csiq/{table}"), root / table)
    corpus = read_corpus("csiq", root)
    assert not corpus.damaged
    told = {finding.item: finding.reason for finding in corpus.findings}
    assert "Used because csiq.DMOS.xlsx is not there." in told[table]
    for item in corpus.items:
        expected = workbook[item.image_id].score
        assert item.score == (expected and pytest.approx(expected, abs=6e-4))


def test_csiq_reads_1600_as_a_number_and_padding(official: Official, tmp_path: Path) -> None:
    root = trees.copied(official("csiq"), tmp_path / "csiq")
    before = by_id(read_corpus("csiq", root))
    rows = [
        (
            1600 if item.reference == "1600" else item.reference,
            0,
            {"awgn": "noise", "jpeg2000": "jpeg 2000"}.get(item.code, item.code),
            item.level,
            item.score_std,
            item.score,
        )
        for item in before.values()
        if item.distortion != REFERENCE
    ]
    trees.csiq_workbook(root / "csiq.DMOS.xlsx", rows)
    after = read_corpus("csiq", root)
    assert not after.damaged
    for image_id, item in by_id(after).items():
        known = before[image_id]
        assert (item.score is None) == (item.distortion == REFERENCE)
        assert (item.score or 0, item.score_std or 0) == pytest.approx(
            (known.score or 0, known.score_std or 0)
        )


def test_live_takes_parameters_from_info_and_references_from_the_mat_file(tmp_path: Path) -> None:
    root = tmp_path / "databaserelease2" / "databaserelease2"
    root.mkdir(parents=True)
    corpus = read_corpus("live", trees.live(root).parent)
    with trees.shared("live/live_982_index.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["org"] == "0"]
    items = by_id(corpus)
    for row in rows:
        item = items[f"{row['folder']}/{PurePosixPath(row['file']).stem}"]
        assert item.severity == trees.live_parameter(row)
        assert item.reference == PurePosixPath(row["reference"]).stem
        assert item.score_std == pytest.approx(float(row["dmos_std"]))
    assert Counter(item.code for item in corpus.items if item.code) == {
        **{"jp2k": 169, "jpeg": 175},
        **{"wn": 145, "gblur": 145, "fastfading": 145},
    }


def test_live_finds_realigned_scores_beside_it_and_tells_of_none(tmp_path: Path) -> None:
    root = tmp_path / "live"
    root.mkdir()
    beside = read_corpus("live", trees.live(root, beside=True))
    assert beside.findings == ()
    (tmp_path / "dmos_realigned.mat").unlink()
    plain = read_corpus("live", root)
    assert [finding.item for finding in plain.findings] == ["dmos.mat"]
    assert "dmos_realigned.mat, which nearly all papers use" in plain.findings[0].reason
    assert not plain.damaged
    assert plain.items[100].score_std is None


def test_live_tells_of_files_that_disagree_on_reference_copies(official: Official, tmp_path: Path) -> None:
    root = trees.copied(official("live"), tmp_path / "live")
    overwritten = trees.shared("live/dmos_realigned.mat")  # someone put 779 zeros for its orgs
    shutil.copyfile(overwritten, root / "dmos_realigned.mat")
    corpus = read_corpus("live", root)
    assert [finding.reason for finding in corpus.findings] == [
        "dmos_realigned.mat: orgs has 779 of 982 values and is left out."
    ]
    assert not corpus.damaged
    held = loadmat(root / "dmos.mat")
    savemat(root / "dmos.mat", {"dmos": held["dmos"], "orgs": np.roll(held["orgs"], 1)})
    damaged = read_corpus("live", root)
    assert any("disagree on which" in finding.reason for finding in damaged.findings if finding.damage)


def test_live_may_have_other_bitmaps_and_a_picture_under_two_numbers(
    official: Official, tmp_path: Path
) -> None:
    root = trees.copied(official("live"), tmp_path / "live")
    (root / "jpeg" / "extra.bmp").write_bytes(trees.encoded(5, ".bmp"))
    first, second = [
        item
        for item in read_corpus("live", root).items
        if item.code == "jpeg" and item.reference == "monarch"
    ][:2]
    shutil.copyfile(root / first.file, root / second.file)
    findings = check_corpus(read_corpus("live", root))
    assert [(finding.kind, finding.damage) for finding in findings] == [
        ("duplicate", False),
        ("extra", False),
    ]


def test_kadid_takes_unchanged_cells_as_published_and_other_repeats_as_damage(
    official: Official, tmp_path: Path
) -> None:
    whole = official("kadid10k")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copyfile(whole / "dmos.csv", tmp_path / "dmos.csv")
    for file in whole.glob("images/I0[56]*.png"):
        shutil.copyfile(file, images / file.name)
    for cell in ("01_01", "08_01", "18_03"):
        shutil.copyfile(images / "I05.png", images / f"I05_{cell}.png")
    findings = check_corpus(read_corpus("kadid10k", tmp_path, partial=True))
    assert Counter((finding.kind, finding.damage) for finding in findings) == {
        ("duplicate", False): 3,
        ("note", False): 1,
    }
    shutil.copyfile(images / "I06_10_04.png", images / "I06_10_05.png")
    findings = check_corpus(read_corpus("kadid10k", tmp_path, partial=True))
    (damage,) = [finding for finding in findings if finding.damage]
    assert (damage.item, damage.reason) == ("images/I06_10_05.png", "It has the very pixels of I06_10_04.")


def test_kadid_states_its_parameters(official: Official) -> None:
    items = by_id(read_corpus("kadid10k", official("kadid10k")))
    assert (items["I01_01_05"].severity, items["I01_18_03"].severity, items["I81_25_05"].severity) == (
        5,
        0,
        -0.6,
    )


def test_tid_never_minds_letter_case(official: Official, tmp_path: Path) -> None:
    root = trees.copied(official("tid2008"), tmp_path / "tid2008")
    mixed = [(item.image_id, item.score) for item in read_corpus("tid2008", root).items]
    for file in sorted(root.rglob("*.*")):
        if file.suffix.lower() == ".bmp":
            file.rename(file.with_name(file.name.upper()))
    (root / "distorted_images").rename(root / "DISTORTED_IMAGES")
    upper = read_corpus("tid2008", root)
    assert [(item.image_id, item.score) for item in upper.items] == mixed
    assert upper.findings == ()
