"""The counts in docs/label_maps.md are those of the published tables, and of a count made by others."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eyechart.corpora.registry import readers
from eyechart.taxonomy import load_label_map

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT.parent / "shared" / "data" / "score_tables"

pytestmark = pytest.mark.skipif(not TABLES.is_dir(), reason="the score tables are not in ../shared")

LABELS = ("blur", "noise", "brightness", "compression", "contrast", "colorfulness", "jitter", "no label")
COUNTED = {  # distorted pictures per label, counted by hand from the tables before this map was written
    "live": (145, 145, 0, 344, 0, 0, 0, 145),
    "csiq": (150, 300, 0, 300, 116, 0, 0, 0),
    "tid2013": (125, 1000, 125, 250, 125, 125, 0, 1250),
    "kadid10k": (1215, 1620, 1215, 810, 405, 810, 405, 3645),
    "all four": (1635, 3065, 1340, 1704, 646, 935, 405, 5040),
}


def script() -> Any:
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location("label_counts", ROOT / "scripts" / "label_counts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_papers_labels_have_the_known_counts() -> None:
    found = script().counts(TABLES, load_label_map("paper8"))
    for corpus, numbers in COUNTED.items():
        assert tuple(found[corpus][label] for label in LABELS) == numbers
    assert found["all four"]["clean"] == 29 + 30 + 25 + 81


@pytest.mark.parametrize("name", ["paper8", "families7", "liqe11", "fine"])
def test_no_picture_is_lost(name: str) -> None:
    for corpus, found in script().counts(TABLES, load_label_map(name)).items():
        if corpus in readers():
            official = readers()[corpus]
            assert found.total() == (official.references or 0) + (official.distorted or 0)


def test_every_official_type_is_counted() -> None:
    kadid = script().distortions(TABLES, "kadid10k")
    assert kadid == Counter({**dict.fromkeys(kadid, 405), "none": 81})
    assert len(kadid) == 26


def test_the_page_is_current() -> None:
    module = script()
    assert module.DOCS.read_text(encoding="utf-8") == module.page(TABLES)
    assert "| chance | 25.0 % |" in module.page(TABLES)
