"""Contents: the published references are 146 scenes, and the corpora that share one agree on its name."""

from __future__ import annotations

import csv
from itertools import chain
from pathlib import Path

import pytest

from eyechart.corpora import csiq, live
from eyechart.corpora.contents import POOLS, content_of
from eyechart.corpora.registry import readers

TABLE = Path(__file__).parents[2] / "shared" / "data" / "shared_references" / "shared_references.csv"

REFERENCES = {
    "live": live.REFERENCES,
    "csiq": csiq.REFERENCES,
    "tid2008": tuple(f"I{number:02}" for number in range(1, 26)),
    "tid2013": tuple(f"I{number:02}" for number in range(1, 26)),
    "kadid10k": tuple(f"I{number:02}" for number in range(1, 82)),
}


def test_165_references_are_146_contents() -> None:
    four = [
        (corpus, name) for corpus in ("live", "csiq", "tid2013", "kadid10k") for name in REFERENCES[corpus]
    ]
    assert len(four) == 165
    contents = {content_of(*pair) for pair in four}
    assert len(contents) == 146
    assert contents == set(chain.from_iterable(POOLS.values()))
    assert sum(map(len, POOLS.values())) == 146


@pytest.mark.parametrize("corpus", REFERENCES)
def test_no_two_references_of_a_corpus_are_one_content(corpus: str) -> None:
    names = REFERENCES[corpus]
    assert len(names) == readers()[corpus].references
    assert len({content_of(corpus, name) for name in names}) == len(names)


def test_a_name_means_its_own_corpus_only() -> None:
    assert content_of("live", "caps") == content_of("tid2013", "I03") == content_of("tid2008", "I03")
    assert content_of("tid2013", "I25") == content_of("tid2008", "I25") != content_of("kadid10k", "I25")
    assert content_of("kadid10k", "I03") != content_of("tid2013", "I03")
    assert content_of("live", "woman") != content_of("csiq", "woman")
    assert content_of("koniq10k", "826373") == "koniq10k/826373"
    assert content_of("csiq", "caps") == "csiq/caps"


@pytest.mark.skipif(not TABLE.is_file(), reason="the measured table is not in ../shared")
def test_the_table_is_the_measured_one() -> None:
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 35
    found: list[str] = []
    for row in rows:
        names = {content_of(corpus, row[corpus]) for corpus in ("live", "tid2008", "tid2013") if row[corpus]}
        if row["kodak"]:
            names.add(f"kodak/{row['kodak']}")
        assert len(names) == 1, row
        found += names
    assert sorted(found) == sorted(POOLS["live and tid"] + POOLS["tid"] + POOLS["live"])
