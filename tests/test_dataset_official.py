"""Datasets of the corpora as published: official numbers on rebuilt trees, and the real samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import corpora_trees as trees
import pandas as pd
import pytest

from eyechart.dataset import DatasetConfig, build_dataset
from eyechart.dataset.rated import plan_rated, read_corpora
from eyechart.taxonomy import load_label_map

PAPER8 = {
    "live": {"blur": 145, "noise": 145, "compression": 344, "clean": 29},
    "csiq": {"blur": 150, "noise": 300, "compression": 300, "contrast": 116, "clean": 30},
    "tid2013": {
        "blur": 125,
        "noise": 1000,
        "brightness": 125,
        "compression": 250,
        "contrast": 125,
        "colorfulness": 125,
        "clean": 25,
    },
    "kadid10k": {
        "blur": 1215,
        "noise": 1620,
        "brightness": 1215,
        "compression": 810,
        "contrast": 405,
        "colorfulness": 810,
        "jitter": 405,
        "clean": 81,
    },
}


def test_the_official_numbers_come_out(official: Callable[[str], Path]) -> None:
    names = tuple(PAPER8)
    rated = read_corpora(DatasetConfig.of(corpora=[{"name": name, "path": official(name)} for name in names]))
    batches, left_out = plan_rated(rated, {}, load_label_map("paper8"))
    found = pd.DataFrame(
        [(batch.corpus.name, label) for batch in batches for _, label in batch.items],
        columns=["corpus", "label"],
    )
    counts = pd.crosstab(found["corpus"], found["label"])
    for corpus, numbers in PAPER8.items():
        assert {label: number for label, number in counts.loc[corpus].items() if number} == numbers
    assert len(found) + len(left_out) == 779 + 866 + 3000 + 10125 + 29 + 30 + 25 + 81
    contents = {batch.content: batch.split for batch in batches}
    assert len(contents) == 146
    assert Counter(contents.values()) == {"train": 102, "test": 29, "validation": 15}


def test_real_pictures_are_kept_byte_for_byte(tmp_path: Path) -> None:
    roots = {name: trees.shared(name) for name in ("kadid10k", "tid2013")}
    corpora = [{"name": name, "path": root, "partial": True} for name, root in roots.items()]
    built = build_dataset(DatasetConfig.of(name="real", corpora=corpora), tmp_path)
    rows = {row["image_id"]: row for split in built.record()["images"] for row in built.rows(split)}
    files = {path.stem: path for root in roots.values() for path in root.rglob("[Ii]??_*.*")}
    assert files
    for image_id, row in rows.items():
        name = image_id.partition("/")[2]
        if name in files:
            assert row["image"]["bytes"] == files[name].read_bytes()
    blurred = rows["kadid10k/I01_01_05"]
    assert (blurred["label"], blurred["severity"], blurred["score_raw"]) == ("blur", 5.0, 1.1)
    assert blurred["psnr"] == pytest.approx(20.466, abs=0.001)
    assert rows["kadid10k/I02_01_03"]["reference"] == "kadid10k/I02"  # which is not among the samples
