"""LIVE, CSIQ, TID2008, TID2013 and KADID-10k, rebuilt as published: counts, scores, types and oddities."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import corpora_trees as trees
import numpy as np
import pytest

from eyechart.corpora.check import check_corpus
from eyechart.corpora.corpus import REFERENCE, Corpus
from eyechart.corpora.decode import decode
from eyechart.corpora.read import read_corpus
from eyechart.corpora.registry import readers
from eyechart.corpora.types import TYPES

OFFICIAL = {
    "live": (29, 779),
    "csiq": (30, 866),
    "tid2008": (25, 1700),
    "tid2013": (25, 3000),
    "kadid10k": (81, 10125),
}
TABLES = {"live": "LIVE", "csiq": "CSIQ", "tid2008": "TID2008", "tid2013": "TID2013", "kadid10k": "KADID-10k"}


@pytest.fixture(scope="module", params=sorted(OFFICIAL))
def corpus(request: pytest.FixtureRequest, official: Callable[[str], Path]) -> Corpus:
    """Return each corpus, complete; not to be changed on disk."""
    name: str = request.param
    return read_corpus(name, official(name))


def canonical(corpus: str, path: str) -> str:
    """Return the image_id of a row of the uniform score tables."""
    file = PurePosixPath(path)
    if corpus == "live":
        return file.stem if file.parent.name == "refimgs" else f"{file.parent.name}/{file.stem}"
    return file.stem if corpus == "csiq" else file.stem.upper()


def test_the_official_numbers_come_out_exactly(corpus: Corpus) -> None:
    references, distorted = OFFICIAL[corpus.name]
    counted = Counter(item.distortion == REFERENCE for item in corpus.items)
    assert counted == {True: references, False: distorted}
    reader = readers()[corpus.name]
    assert (reader.references, reader.distorted) == (references, distorted)
    assert len({item.image_id for item in corpus.items}) == len(corpus.items)


def test_a_complete_copy_decodes_without_a_word(corpus: Corpus) -> None:
    assert corpus.findings == ()
    assert check_corpus(corpus) == []
    assert decode(corpus.source.read(corpus.items[0].file), corpus.items[0].file).shape == (*trees.SIZE, 3)


def test_scores_and_references_are_those_of_an_independent_table(corpus: Corpus) -> None:
    ours = {item.image_id: item for item in corpus.items if item.distortion != REFERENCE}
    with trees.shared(f"score_tables/{TABLES[corpus.name]}.txt").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(ours)
    for row in rows:
        item = ours[canonical(corpus.name, row["dis_img_path"])]
        assert item.score == pytest.approx(float(row["score"]), abs=6e-5)
        assert item.reference == canonical(corpus.name, row["ref_img_path"])


def test_types_part_the_pictures_as_an_independent_table_does(corpus: Corpus) -> None:
    with trees.shared(f"score_tables/{TABLES[corpus.name]}.txt").open() as stream:
        said = {
            canonical(corpus.name, row["dis_img_path"]): row["dis_type"] for row in csv.DictReader(stream)
        }
    pairs = {(said[item.image_id], item.distortion) for item in corpus.items if item.image_id in said}
    assert len(pairs) == len(TYPES[corpus.name])
    known = {"AWGN": "white_noise", "GBLUR": "gaussian_blur", "JPEG": "jpeg", "JP2K": "jpeg2000"}
    for theirs, ours in pairs:
        assert known.get(theirs, ours) == ours


def test_unit_scores_go_up_with_quality(corpus: Corpus) -> None:
    units = [corpus.unit_score(item) for item in corpus.items if item.score is not None]
    assert all(unit is not None and 0 <= unit <= 1 for unit in units)
    assert all(corpus.unit_score(item) is None for item in corpus.items if item.distortion == REFERENCE)
    blurred = [item for item in corpus.items if item.distortion == "gaussian_blur"]
    if corpus.name == "live":
        return  # it has no levels
    weak, strong = (
        np.mean([corpus.unit_score(item) or 0 for item in blurred if item.level == level]) for level in (1, 4)
    )
    assert weak > strong + 0.2


def test_items_are_sorted_references_first(corpus: Corpus) -> None:
    keys = [(item.distortion != REFERENCE, item.image_id) for item in corpus.items]
    assert keys == sorted(keys)


SAMPLES = {
    "kadid10k": ("kadid10k/samples", "kadid10k/dmos.csv", 6),
    "csiq": ("csiq/samples", "csiq/csiq_label.txt", 4),
    "tid2013": ("tid2013/samples", "tid2013/mos_with_names.txt", 2),
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_real_samples_are_read_as_a_partial_copy(name: str, tmp_path: Path) -> None:
    folder, table, count = SAMPLES[name]
    shutil.copytree(trees.shared(folder), tmp_path / name)
    shutil.copyfile(trees.shared(table), tmp_path / name / Path(table).name)
    corpus = read_corpus(name, tmp_path / name, partial=True)
    assert len(corpus.items) == count
    assert all(item.score is not None for item in corpus.items if item.distortion != REFERENCE)
    findings = check_corpus(corpus)
    assert not any(finding.damage for finding in findings)
    assert "said to be partial" in next(finding.reason for finding in findings if finding.item == "partial")
    whole = read_corpus(name, tmp_path / name)
    missing = [finding for finding in whole.findings if finding.kind == "missing"]
    assert len(missing) + count == sum(OFFICIAL[name])
