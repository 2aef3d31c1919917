"""A folder of pictures: versions, their table, and what is set aside."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folder_fixture import files, picture, run, table
from PIL import Image

from eyechart.corpora.photos import read_photo
from eyechart.distort import Step, compose, distort, find, psnr
from eyechart.errors import EyechartError


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with four pictures, one of them twice in two formats, in two sub-folders."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "sub" / "élan vital").mkdir(parents=True)
    for place, name in enumerate(("a.png", "a.bmp", "sub/a.jpg", "sub/élan vital/<b>&'雪.webp")):
        Image.fromarray(picture(place)).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def made(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that one worker made."""
    out = tmp_path_factory.mktemp("one") / "out"
    assert run(photos, out).made == 4 * 4 * 2
    return out


def test_versions_mirror_the_folder_and_are_those_of_the_function(photos: Path, made: Path) -> None:
    rows = table(made)
    assert sorted(set(rows["source"])) == ["a.bmp", "a.png", "sub/a.jpg", "sub/élan vital/<b>&'雪.webp"]
    assert set(rows.loc["sub/a.jpg/jpeg_5"].index) >= {"distortion", "psnr", "seed", "source_sha256"}
    for name, row in rows.iterrows():
        found = np.array(Image.open(made / row["file"]))
        original = read_photo(photos / row["source"])
        steps = [
            Step(kind, level=int(level))
            for kind, level in zip(row["distortions"], row["levels"], strict=True)
        ]
        expected = compose(original, steps, image_id=row["source"])
        np.testing.assert_array_equal(found, expected)
        assert row["file"] == f"{name}.png"
        assert row["psnr"] == psnr(found, original)
        assert (row["width"], row["height"]) == (120, 90)
        assert (made / row["file"]).stat().st_size == row["bytes"]


def test_both_labels_of_a_composition_are_kept(made: Path) -> None:
    row = table(made).loc["a.png/gaussian_blur_2+jpeg_2"]
    assert row["distortion"] == "gaussian_blur+jpeg"
    assert list(row["distortions"]) == ["gaussian_blur", "jpeg"]
    assert list(row["families"]) == ["blur", "compression"]
    assert list(row["levels"]) == [2, 2]
    assert list(row["severities"]) == [find("gaussian_blur").at_level(2), find("jpeg").at_level(2)]
    assert list(row["parameters"]) == ["sigma", "quality"]
    assert list(row["corpora"]) == ["kadid10k", "kadid10k"]
    assert row["level"] == 2
    assert np.isnan(row["severity"])
    single = table(made).loc["a.png/jpeg_5"]
    assert (single["level"], single["severity"], single["seed"]) == (5, 4.0, 0)
    assert "libjpeg-turbo" in single["libraries"]
    assert list(single["directions"]) == [find("jpeg").severity.direction(4)]


def test_two_workers_make_the_same_bytes(photos: Path, made: Path, tmp_path: Path) -> None:
    assert run(photos, tmp_path / "out", jobs=2).made == 32
    assert files(tmp_path / "out") == files(made)
    pd.testing.assert_frame_equal(table(tmp_path / "out"), table(made))


def test_bad_pictures_are_set_aside_with_the_reason(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    Image.fromarray(picture()).save(source / "good.png")
    whole = (source / "good.png").read_bytes()
    (source / "cut.png").write_bytes(whole[: len(whole) // 2])
    (source / "text.png").write_text("no picture")
    (source / "empty.webp").touch()
    (source / "bomb.png").write_bytes(_png_with_size(60_000, 60_000))
    (source / "line\nbreak.png").write_bytes(whole)
    (source / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (source / "notes.txt").write_text("passed over")
    os.mkfifo(source / "pipe.png")
    result = run(source, out, types="jpeg", levels="1", jobs=2)
    assert result.made == 1
    aside = pd.read_csv(out / "set_aside.csv").set_index("item")["reason"]
    assert set(aside.index) == {
        "cut.png", "text.png", "empty.webp", "bomb.png", "'line\\nbreak.png'", "dangling.png", "pipe.png",
    }  # fmt: skip
    assert "50,000,000" in aside["bomb.png"]
    assert "cannot be read" in aside["text.png"]
    assert {name.split("/")[0] for name in files(out)} == {"config.yaml", "good.png", "set_aside.csv"}


def test_a_version_that_cannot_be_made_is_set_aside_on_its_own(tmp_path: Path) -> None:
    Image.fromarray(picture(0, 2, 17_000)).save(tmp_path / "wide.png")
    result = run(tmp_path / "wide.png", tmp_path / "out", types="webp,jpeg", levels="3")
    assert (result.made, [one.item for one in result.set_aside]) == (1, ["wide.png/webp_3"])
    assert "16383" in result.set_aside[0].reason
    assert list(table(tmp_path / "out").index) == ["wide.png/jpeg_3"]


def _png_with_size(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    return start + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IDAT"


def test_a_folder_without_a_usable_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(EyechartError, match="no picture"):
        run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "text.png").write_text("no picture")
    with pytest.raises(EyechartError, match=r"text\.png"):
        run(tmp_path / "in", tmp_path / "out")


def test_settings_that_differ_and_folders_that_overlap_are_refused(photos: Path, made: Path) -> None:
    with pytest.raises(EyechartError, match="seed"):
        run(photos, made, seed=1)
    with pytest.raises(EyechartError, match="format"):
        run(photos, made, format="webp")
    with pytest.raises(EyechartError, match="lossless"):
        run(photos, made.with_name("other"), format="jpg")
    with pytest.raises(EyechartError, match="lies in"):
        run(photos, photos / "sub" / "out")
    with pytest.raises(EyechartError, match="does not exist"):
        run(photos / "nowhere", made)
    with pytest.raises(EyechartError, match="not a run"):
        run(made, photos)  # a folder with the user's own files is never written to


def test_a_folder_that_cannot_be_written_stops_the_job(photos: Path, tmp_path: Path) -> None:
    run(photos / "a.bmp", tmp_path / "out", levels="2")
    (tmp_path / "out" / "a.png").write_text("in the way")
    with pytest.raises(EyechartError, match="cannot write"):
        run(photos / "a.png", tmp_path / "out", levels="2")


def test_what_changes_nothing_and_what_has_no_level_are_recorded_as_such(
    photos: Path, tmp_path: Path
) -> None:
    types = "gaussian_blur,mean_shift@5"
    run(photos / "a.png", tmp_path / "out", types=types, levels="1", severities=["jpeg=10"])
    rows = table(tmp_path / "out")
    same = rows.loc["a.png/gaussian_blur_1"]
    assert (same["psnr"], list(same["directions"]), list(same["strengths"])) == (np.inf, [0], [0.0])
    down = rows.loc["a.png/mean_shift_5"]
    assert (down["severity"], list(down["directions"]), list(down["strengths"])) == (-0.15, [-1], [0.15])
    free = rows.loc["a.png/jpeg=10"]
    assert np.isnan(free["level"])
    assert (free["severity"], list(free["corpora"])) == (10.0, [""])


def test_levels_of_two_corpora_lie_side_by_side(photos: Path, tmp_path: Path) -> None:
    for corpus in (None, "kadid10k", "imagenet_c"):
        run(photos / "a.png", tmp_path / "out", types="jpeg", levels="3", corpus=corpus)
    rows = table(tmp_path / "out")
    assert dict(zip(rows.index, rows["severity"], strict=True)) == {
        "a.png/jpeg_3": find("jpeg").at_level(3, "kadid10k"),
        "a.png/jpeg_imagenet_c_3": find("jpeg").at_level(3, "imagenet_c"),
    }


def test_a_level_set_by_psnr_is_recorded_with_its_severity(photos: Path, tmp_path: Path) -> None:
    run(photos / "a.png", tmp_path / "out", types="white_noise", levels="2", corpus="tid2013")
    row = table(tmp_path / "out").loc["a.png/white_noise_tid2013_2"]
    assert row["psnr"] == pytest.approx(30, abs=0.1)
    again = distort(picture(0), "white_noise", severity=float(str(row["severity"])), image_id="a.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out" / row["file"])), again)


def test_webp_loses_nothing(photos: Path, made: Path, tmp_path: Path) -> None:
    run(photos / "a.png", tmp_path / "out", format="webp")
    for name in ("white_noise_5", "jpeg_2"):
        webp = np.array(Image.open(tmp_path / "out" / "a.png" / f"{name}.webp"))
        np.testing.assert_array_equal(webp, np.array(Image.open(made / "a.png" / f"{name}.png")))


def test_stretch_and_seed_reach_the_pixels(photos: Path, tmp_path: Path) -> None:
    run(photos / "a.png", tmp_path / "out", types="white_noise", levels="3", stretch=True, seed=7)
    expected = distort(picture(0), "white_noise", level=3, seed=7, image_id="a.png", stretch=True)
    made = np.array(Image.open(tmp_path / "out" / "a.png" / "white_noise_3.png"))
    np.testing.assert_array_equal(made, expected)
    assert bool(table(tmp_path / "out")["stretch"].all())
