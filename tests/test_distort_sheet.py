"""The contact sheet: the cuts are the versions' own pixels, where the distortion is to be seen."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.distort import Pixels, distort, psnr, registry
from eyechart.folder import parse_versions
from eyechart.sheet import write_sheet
from eyechart.sheet.cells import sheet_rows

PHOTO = next(photo.path for photo in packaged_photos() if photo.content == "astronaut")


def find_cut(cut: Pixels, picture: Pixels) -> tuple[int, int] | None:
    """Return where a cut lies in a picture, or None."""
    height, width = cut.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(picture[..., 1], (1, width))[:, :, 0]
    for top, left in np.argwhere((windows == cut[0, :, 1]).all(axis=2)):
        if np.array_equal(picture[top : top + height, left : left + width], cut):
            return int(top), int(left)
    return None


def test_cuts_are_the_versions_pixels_at_the_place_of_the_original() -> None:
    picture = read_photo(PHOTO)
    versions = parse_versions("white_noise,jpeg,gaussian_blur+jpeg", "2,5")
    rows = sheet_rows(picture, versions, image_id="x.webp", seed=3, stretch=False)
    assert [row.name for row in rows] == ["white_noise", "jpeg", "gaussian_blur + jpeg"]  # families in order
    for row, kind in zip(rows[:2], ("white_noise", "jpeg"), strict=True):
        place = find_cut(row.original, picture)
        assert place is not None
        for cell, level in zip(row.cells, (2, 5), strict=True):
            whole = distort(picture, kind, level=level, seed=3, image_id="x.webp")
            assert cell.cut is not None
            assert find_cut(cell.cut, whole) == place
            assert cell.title.startswith(f"L{level}: ")
            assert cell.note == f"{psnr(whole, picture):.1f} dB"
    assert rows[0].original.shape == (120, 160, 3)
    assert rows[2].cells[0].title.startswith("L2+2: ")


def test_no_change_is_told() -> None:
    picture = read_photo(PHOTO)
    (row,) = sheet_rows(picture, parse_versions("gaussian_blur", "1"), image_id="", seed=0, stretch=False)
    assert row.cells[0].note == "no change"


def test_a_distortion_of_a_small_part_is_where_the_cut_is() -> None:
    picture = np.tile(read_photo(PHOTO), (3, 3, 1))
    (row,) = sheet_rows(picture, parse_versions("color_block", "1"), image_id="", seed=0, stretch=False)
    assert row.cells[0].cut is not None
    assert (row.cells[0].cut != row.original).mean() > 0.02


@pytest.mark.parametrize("suffix", [".png", ".html"])
def test_the_command_writes_a_sheet(tmp_path: Path, suffix: str) -> None:
    photo, out = tmp_path / "<i>a&b.png", tmp_path / f"sheet{suffix}"
    Image.fromarray(read_photo(PHOTO)[:100, :130]).save(photo)
    words = ["distort", "--sheet", str(photo), str(out), "--types", "jpeg,blur", "--levels", "1,5"]
    result = CliRunner().invoke(build(), words)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out)
    rows = 1 + sum(kind.family == "blur" for kind in registry().values())
    if suffix == ".png":
        with Image.open(out) as sheet:
            assert sheet.height > rows * 100
            assert sheet.width > 3 * 130
        return
    page = out.read_text(encoding="utf-8")
    assert "&lt;i&gt;a&amp;b.png" in page
    assert "<i>" not in page
    assert "<script" not in page
    cuts = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(cuts) == 3 * rows
    with Image.open(io.BytesIO(base64.b64decode(cuts[0]))) as cut:
        np.testing.assert_array_equal(np.array(cut), read_photo(photo))


@pytest.mark.parametrize("suffix", [".png", ".html"])
def test_a_version_that_cannot_be_made_leaves_a_gap_with_the_reason(tmp_path: Path, suffix: str) -> None:
    photo, out = tmp_path / "wide.png", tmp_path / f"sheet{suffix}"
    Image.fromarray(np.tile(read_photo(PHOTO)[:2], (1, 45, 1))).save(photo)
    write_sheet(photo, out, parse_versions("webp,jpeg", "3"))
    if suffix == ".html":
        assert "WebP limit of 16383 pixels" in out.read_text(encoding="utf-8")
    else:
        Image.open(out).verify()


def test_mistakes_are_told(tmp_path: Path) -> None:
    for words, told in (
        ((PHOTO, tmp_path / "sheet.pdf"), ".png or .html"),
        ((tmp_path / "nowhere.png", tmp_path / "sheet.png"), "cannot be read"),
    ):
        result = CliRunner().invoke(build(), ["distort", "--sheet", *map(str, words), "--types", "jpeg"])
        assert result.exit_code == 2
        assert told in result.stderr
