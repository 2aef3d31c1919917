"""Folders of one's own with a csv, folders like ImageNet-C, and the small tables that readers share."""

from __future__ import annotations

import tempfile
from pathlib import Path

import corpora_trees as trees
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyechart.corpora.check import check_corpus
from eyechart.corpora.corpus import AUTHENTIC, REFERENCE, Item
from eyechart.corpora.decode import decode, is_picture
from eyechart.corpora.read import read_corpus
from eyechart.corpora.scores import ScoreTable, checksum
from eyechart.corpora.tables import csv_rows, lines_of, number
from eyechart.errors import EyechartError


def fill(root: Path, *files: str) -> None:
    for index, file in enumerate(files):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(trees.encoded(index, Path(file).suffix))


def own(root: Path, table: str) -> dict[str, Item]:
    """Return the items of a folder with this table."""
    (root / "images.csv").write_text(table, encoding="utf-8")
    return {item.image_id: item for item in read_corpus("folder", root).items}


def test_a_folder_of_ones_own_needs_file_names_only(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "sub/é.jpg")
    items = own(tmp_path, "file\na.png\nsub/é.jpg\n")
    assert sorted(items) == ["a", "sub/é"]
    assert {item.distortion for item in items.values()} == {AUTHENTIC}
    corpus = read_corpus("folder", tmp_path)
    assert check_corpus(corpus) == []


def test_a_folder_of_ones_own_takes_all_columns(tmp_path: Path) -> None:
    fill(tmp_path, "clean.png", "blur.png", "other.png")
    items = own(
        tmp_path,
        "\ufefffile;distortion;reference;level;severity;score;score_std;camera\n"
        "clean.png;none;;;;;;Leica\n"
        "blur.png;gaussian_blur;clean.png;3;2,5;0,25;0,1;\n"
        "other.png;;;;;0.5;;\n",
    )
    blur = items["blur"]
    assert (blur.reference, blur.level, blur.severity) == ("clean", 3, 2.5)
    assert (blur.score, blur.score_std) == (0.25, 0.1)
    assert (items["clean"].distortion, items["clean"].score) == (REFERENCE, None)
    assert items["clean"].extra == {"camera": "Leica"}
    corpus = read_corpus("folder", tmp_path)
    assert corpus.unit_score(blur) == 0.25
    assert [(finding.item, finding.damage) for finding in corpus.findings if finding.damage] == []


def test_scores_of_some_pictures_only_are_no_damage(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", "b.png")
    items = own(tmp_path, "file,distortion,score\na.png,jpeg,0.5\nb.png,jpeg,\n")
    assert (items["a"].score, items["b"].score) == (0.5, None)
    assert read_corpus("folder", tmp_path).findings == ()


WRONG = {
    "bad.png,blurred,,,": "'blurred' is no distortion; known:",
    "bad.png,jpeg,gone.png,,": "Its reference gone has no row.",
    "bad.png,none,good.png,,": "is named for a picture without distortion",
    "bad.png,jpeg,,strong,": "Its level 'strong'",
    "bad.png,jpeg,,1": "It has 4 cells, not 5",
    "good.png,jpeg,,1,": "It has two rows",
    "bad.png,jpeg,,1,high": "Its score is no number ('high'",
    "bad.png,jpeg,,1,1.5": "Its score 1.5 is outside 0 to 1; set aside.",
    "gone.png,jpeg,,1,1": "The picture is not there.",
    ",jpeg,,1,1": "The row names no file.",
    "../good.png,jpeg,,1,1": "The picture is not there.",
}


@pytest.mark.parametrize("row", sorted(WRONG))
def test_a_row_that_cannot_be_used_is_told_and_costs_itself_only(row: str, tmp_path: Path) -> None:
    fill(tmp_path, "good.png", "bad.png")
    items = own(tmp_path, f"file,distortion,reference,level,score\ngood.png,none,,,0.9\n{row}\n")
    assert items["good"].score == 0.9
    damage = [finding.reason for finding in read_corpus("folder", tmp_path).findings if finding.damage]
    assert any(WRONG[row] in reason for reason in damage)


CELLS = ["", "good.png", "/", ".", "..", "a\0b", "none", "jpeg", "1", "nan", "1e999", '"', "é", "\u2028"]


@given(st.lists(st.lists(st.sampled_from(CELLS) | st.text(max_size=5), min_size=5, max_size=5), max_size=4))
def test_whatever_a_table_holds_the_good_row_is_read(rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        fill(Path(place), "good.png")
        lines = [",".join(row).encode("utf-8", "surrogatepass") for row in rows]
        head = b"file,distortion,reference,level,score\ngood.png,none,,,0.9\n"
        (Path(place) / "images.csv").write_bytes(head + b"\n".join(lines))
        items = read_corpus("folder", Path(place)).items
        assert "good" in {item.image_id for item in items}


def test_a_table_without_its_column_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "a.png")
    with pytest.raises(EyechartError, match="no column file; it has name"):
        own(tmp_path, "name\na.png\n")


def test_folders_like_imagenet_c_are_read_and_counted(tmp_path: Path) -> None:
    names = ("n01/val_1", "n01/val_2", "n02/val_3")
    files = [
        f"{group}/{level}/{name}.JPEG"
        for group in ("noise/gaussian_noise", "weather/snow")
        for level in range(1, 6)
        for name in names
    ]
    fill(tmp_path, *files)
    corpus = read_corpus("imagenet_c", tmp_path)
    assert (len(corpus.items), corpus.findings) == (30, ())
    first = corpus.items[0]
    assert (first.image_id, first.reference) == ("gaussian_noise/1/n01/val_1", "n01/val_1")
    assert (first.distortion, first.code, first.level) == ("white_noise", "gaussian_noise", 1)
    (tmp_path / files[4]).unlink()
    (finding,) = read_corpus("imagenet_c", tmp_path).findings
    assert (finding.kind, finding.item) == ("missing", "gaussian_noise/2")
    with pytest.raises(EyechartError, match="<corruption>"):
        read_corpus("imagenet_c", tmp_path / "noise" / "gaussian_noise" / "1")


def test_decoding_gives_rgb_upright_and_the_upper_bits_of_sixteen(tmp_path: Path) -> None:
    import io

    import numpy as np
    from PIL import Image

    def saved(image: Image.Image, **options: object) -> bytes:
        stream = io.BytesIO()
        image.save(stream, "PNG", **options)
        return stream.getvalue()

    pixels = trees.pixels(70000)
    assert np.array_equal(decode(saved(Image.fromarray(pixels)), "a.png"), pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned = decode(saved(Image.fromarray(pixels), exif=exif), "a.png")
    assert np.array_equal(turned, np.rot90(pixels, -1))
    deep = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    assert np.array_equal(decode(saved(Image.fromarray(deep)), "a.png")[..., 0], deep >> 8)
    assert [is_picture(name) for name in ("a.PNG", "b/c.jpeg", "._a.png", "__MACOSX/a.png", "a.txt")] == [
        *(True, True),
        *(False, False, False),
    ]


@given(st.floats(-1e6, 1e6, allow_nan=False))
def test_numbers_are_read_with_points_and_commas(value: float) -> None:
    assert number(repr(value)) == value
    assert number(f" {value!r} ".replace(".", ",")) == value


@pytest.mark.parametrize("text", ["", "nan", "inf", "1.2.3", "one"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (whatever float says)
        number(text)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), max_size=6)


@given(
    st.lists(st.tuples(CELL, CELL), max_size=5),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_tables_are_read_whatever_the_separator(
    rows: list[tuple[str, str]], separator: str, end: str
) -> None:
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    data = end.join([f"one{separator}two", *quoted]).encode()
    told: list[str] = []
    found = csv_rows(data, "t.csv", ("one", "two"), lambda item, reason: told.append(reason))
    assert [(row["one"], row["two"]) for row in found] == rows
    assert told == []


def test_lines_end_at_any_run_of_ends() -> None:
    assert lines_of(b"\r\na b\r\r\n\r\nc\rd\n\n") == ["a b", "c", "d"]
    assert lines_of(b"caf\xe9") == ["café"]


@given(st.lists(st.integers(0, 100), min_size=2, max_size=20, unique=True), st.data())
def test_the_checksum_minds_swaps_and_not_the_order_of_rows(scores: list[int], data: st.DataObject) -> None:
    table = ScoreTable("t")
    for index, score in enumerate(scores):
        table.add(f"I{index:02}", score)
    one, other = data.draw(st.lists(st.sampled_from(sorted(table.rows)), min_size=2, max_size=2, unique=True))
    backwards = dict(reversed(table.rows.items()))
    assert checksum(backwards) == checksum(table.rows)
    swapped = {**table.rows, one: table.rows[other], other: table.rows[one]}
    assert abs(checksum(swapped) - checksum(table.rows)) > 1e-6
