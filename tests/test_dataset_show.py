"""What a dataset holds, as tables and as a page: right numbers, safe names, nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_corpora as small
from PIL import Image
from typer.testing import CliRunner

from eyechart.cli.main import build as application
from eyechart.dataset import Dataset, DatasetConfig, build_dataset, load_dataset
from eyechart.dataset.show import overview, rates
from eyechart.dataset.store import schema
from eyechart.report.dataset_page import SIDE, build_dataset_page

HOSTILE = '<script>alert("x")</script>\u202e&'


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    kadid = small.kadid10k(tmp_path_factory.mktemp("kadid10k"), references=16)
    corpora = [{"name": "kadid10k", "path": kadid, "partial": True}]
    return build_dataset(DatasetConfig.of(name="small", corpora=corpora), tmp_path_factory.mktemp("datasets"))


class Page(HTMLParser):
    """The tags of a page with what they hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(dataset: Dataset, file: Path, split: str = "train") -> Page:
    return Page(build_dataset_page(dataset, file, split).read_text(encoding="utf-8"))


def test_numbers_are_those_of_the_tables(dataset: Dataset) -> None:
    tables: Any = overview(dataset)
    corpora = tables["Pictures by corpus and split"]
    assert corpora.loc["kadid10k", ["all", "contents", "types", "scored"]].tolist() == [80, 16, 4, 64]
    assert corpora.loc["all", "train"] == len(dataset.table("train"))
    labels = tables["Pictures by label and corpus"]["kadid10k"]
    assert labels.to_dict() == {
        "blur": 16,
        "noise": 16,
        "brightness": 0,
        "compression": 16,
        "contrast": 16,
        "colorfulness": 0,
        "jitter": 0,
        "clean": 16,
        "all": 80,
    }
    aside = tables["Set aside, by reason"]["items"]
    assert aside.to_dict() == {"cannot be told from its reference": 16, "no label in paper8": 16}
    assert "5 labels have pictures, so chance is 20.0%" in rates(dataset)


def test_the_page_is_self_contained_and_shows_every_label_and_level(dataset: Dataset, tmp_path: Path) -> None:
    found = page(dataset, tmp_path / "show.html")
    kinds = {tag for tag, _ in found.tags}
    assert not kinds & {"script", "iframe", "object", "form", "link rel=stylesheet"}
    policy = next(a["content"] for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in str(policy)
    for _, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert str(attributes.get(name) or "data:").startswith(("data:", "#"))
    shown = [attributes for tag, attributes in found.tags if tag == "img"]
    table = dataset.table("train")
    assert len(shown) == len(table.groupby(["label", "level"]))
    assert all(attributes["alt"] for attributes in shown)
    for text in (
        "gaussian blur",
        "level 5",
        "score 0.",
        dataset.hash,
        "no label in paper8",
        "Label map: paper8, version 2.",
    ):
        assert text in found.text


def test_thumbnails_are_cut_at_native_resolution(dataset: Dataset, tmp_path: Path) -> None:
    found = page(dataset, tmp_path / "show.html")
    data = next(str(a["src"]) for tag, a in found.tags if tag == "img" and a["alt"] == "none")
    with Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))) as image:
        thumb = np.asarray(image.convert("RGB"))
    height, width = small.SIZE
    assert thumb.shape == (min(SIDE, height), min(SIDE, width), 3)
    clean = [small.reference(number) for number in range(1, 17)]
    assert any(np.array_equal(thumb, picture) for picture in clean)


def test_hostile_names_stay_text(dataset: Dataset, tmp_path: Path) -> None:
    rows = list(dataset.rows("train"))
    for row in rows:
        row["image_id"] += HOSTILE
        row["corpus"] = HOSTILE
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in dataset.path.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    pq.write_table(pa.Table.from_pylist(rows, schema()), copy / "train-00000.parquet")
    found = page(load_dataset(copy), tmp_path / "show.html")
    assert not [tag for tag, _ in found.tags if tag == "script"]
    assert '<script>alert("x")</script>⟨U+202E⟩&' in found.text
    assert "\u202e" not in found.text


def test_the_command_shows_and_writes_the_page(dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "show.html"
    shown = CliRunner().invoke(application(), ["dataset", "show", str(dataset.path), "--html", str(file)])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"kadid10k +\d+ +\d+ +\d+ +80 +16 +4 +64", shown.output)
    assert str(file) in shown.output
    assert file.stat().st_size > 10_000
