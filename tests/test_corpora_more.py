"""KonIQ-10k, SPAQ, CLIVE, PIPAL, AGIQA-3K: real tables, official numbers, what else is published."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

import corpora_trees as trees
import pytest
from scipy.io import loadmat, savemat

from eyechart.corpora.corpus import AUTHENTIC, REFERENCE, Corpus
from eyechart.corpora.read import read_corpus
from eyechart.corpora.registry import readers
from eyechart.errors import EyechartError

Official = Callable[[str], Path]
Read = Callable[[str], Corpus]
COUNTS = {
    "koniq10k": (0, 10073),
    "spaq": (0, 11125),
    "clive": (0, 1162),
    "pipal": (200, 23200),
    "agiqa3k": (0, 2982),
}
TABLES = {"koniq10k": "KonIQ-10k", "spaq": "SPAQ", "clive": "LIVE_Challenge", "pipal": "PIPAL"}


@pytest.fixture(scope="module")
def read(official: Official) -> Callable[[str], Corpus]:
    """Return a function that gives a complete corpus, read once."""
    return cache(lambda name: read_corpus(name, official(name)))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_official_numbers_and_scores_come_out(name: str, read: Read) -> None:
    corpus = read(name)
    assert corpus.findings == ()
    counted = Counter(item.distortion for item in corpus.items)
    assert (counted[REFERENCE], counted[AUTHENTIC]) == COUNTS[name]
    assert (readers()[name].references, readers()[name].distorted) == COUNTS[name]
    units = [corpus.unit_score(item) for item in corpus.items if item.distortion == AUTHENTIC]
    assert all(unit is not None and 0 <= unit <= 1 for unit in units)
    if name in TABLES:
        ours = {item.image_id: item.score for item in corpus.items}
        with trees.shared(f"score_tables/{TABLES[name]}.txt").open() as stream:
            for row in csv.DictReader(stream):
                image_id = PurePosixPath(row["dis_img_path"]).stem
                assert ours[image_id] == pytest.approx(float(row["score"]), abs=1e-3)


def test_koniq_keeps_both_scores_and_the_official_split(read: Read) -> None:
    corpus = read("koniq10k")
    assert Counter(item.extra["set"] for item in corpus.items) == {
        "training": 7058,
        "validation": 1000,
        "test": 2015,
    }
    first = next(item for item in corpus.items if item.image_id == "10004473376")
    assert first.score == pytest.approx(3.8285714)
    assert first.extra["MOS_zscore"] == pytest.approx(77.3836206897)
    assert first.score_std == pytest.approx(0.527277894494)


def test_koniq_reads_its_other_table_alike_and_takes_the_split_from_the_first(
    read: Read, tmp_path: Path
) -> None:
    before = read("koniq10k")
    (tmp_path / "512x384").mkdir()
    for file in ("10004473376.jpg", "10007357496.jpg"):
        (tmp_path / "512x384" / file).write_bytes(trees.encoded(1, ".jpg"))
    trees.koniq10k_scores(tmp_path / "koniq10k_scores_and_distributions.csv")
    table = trees.shared("koniq10k/koniq10k_distributions_sets.csv")
    (tmp_path / table.name).write_bytes(table.read_bytes())
    after = read_corpus("koniq10k", tmp_path, partial=True)
    assert not after.damaged
    known = {item.image_id: item for item in before.items}
    for item in after.items:
        assert item.score == pytest.approx(known[item.image_id].score)
        assert item.extra == pytest.approx(known[item.image_id].extra)


def test_spaq_keeps_its_attributes(read: Read) -> None:
    item = read("spaq").items[0]
    assert item.extra == {
        **{"Brightness": 50, "Colorfulness": 40.5, "Contrast": 30},
        **{"Noisiness": 20, "Sharpness": 10},
    }


def test_clive_leaves_out_the_seven_pictures_of_the_training(official: Official, tmp_path: Path) -> None:
    root = trees.copied(official("clive"), tmp_path / "clive")
    names = {item.image_id for item in read_corpus("clive", root).items}
    assert not names & {f"t{number}" for number in range(1, 8)}
    (root / "Data" / "AllStdDev_release.mat").unlink()
    (note,) = read_corpus("clive", root).findings
    assert not note.damage
    held = loadmat(root / "Data" / "AllMOS_release.mat")
    savemat(root / "Data" / "AllMOS_release.mat", {"AllMOS_release": held["AllMOS_release"][:, 7:]})
    with pytest.raises(EyechartError, match="They go by position"):
        read_corpus("clive", root)


def test_pipal_part_by_part(official: Official, tmp_path: Path) -> None:
    whole = official("pipal")
    root = tmp_path / "pipal"
    shutil.copytree(whole / "Train_Label", root / "Train_Label")
    with zipfile.ZipFile(whole / "Distortion_1.zip") as archive:
        archive.extractall(root / "Distortion1", [name for name in archive.namelist() if "A0001" in name])
    corpus = read_corpus("pipal", root, partial=True)
    assert not corpus.damaged
    codes = Counter(item.code for item in corpus.items if item.reference == "A0001")
    assert codes == {"00": 12, "01": 16, "02": 10, "03": 24, "04": 13, "05": 14, "06": 27}
    (root / "Train_Label" / "A0002.txt").unlink()
    told = {
        finding.item: finding for finding in read_corpus("pipal", root).findings if finding.kind == "table"
    }
    assert told["Train_Label"].reason == "It has 23,084 rows; 23,200 were published."


def test_agiqa_keeps_prompts(read: Read) -> None:
    items = {item.image_id: item for item in read("agiqa3k").items}
    first = items["AttnGAN_normal_000"]
    assert first.extra["prompt"] == "statue of a man"
    assert first.score == pytest.approx(0.965602553)
    assert first.extra["mos_align"] == pytest.approx(0.40889324)


@pytest.mark.parametrize("name", sorted(readers()))
def test_every_reader_states_its_terms_and_scale(name: str) -> None:
    reader = readers()[name]
    assert len(reader.licence.notice) > 20
    assert reader.scores is None or reader.scores.low < reader.scores.high
    assert reader.licence.redistribute == (name == "agiqa3k")
