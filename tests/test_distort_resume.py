"""A job that was stopped, or whose pictures have changed, goes on where it stood."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from folder_fixture import files, picture, run, table
from PIL import Image

from eyechart.distort import distort

SCRIPT = "from eyechart.cli.main import main; main()"
TYPES = "jpeg,white_noise,jitter"


def write(folder: Path, height: int, width: int) -> Path:
    """Return a folder with four pictures, one of them in a sub-folder."""
    (folder / "sub").mkdir(parents=True)
    for place, name in enumerate(("a.png", "a.bmp", "c.bmp", "sub/a.png")):
        Image.fromarray(picture(place, height, width)).save(folder / name)
    return folder


def start(photos: Path, out: Path, jobs: int) -> subprocess.Popen[str]:
    """Start the command, and return it when it has made a few versions."""
    words = ["distort", str(photos), str(out), "--types", TYPES, "--jobs", str(jobs)]
    child = subprocess.Popen([sys.executable, "-c", SCRIPT, *words], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(made(out)) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    return child


def made(out: Path) -> dict[Path, int]:
    """Return every version that is there, with its time."""
    return {path: path.stat().st_mtime_ns for path in out.rglob("*_?.png")}


def pictures(out: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(out).items() if not name.endswith(".jsonl")}


def test_what_is_there_is_kept_and_what_is_missing_or_cut_is_made(tmp_path: Path) -> None:
    photos, out = write(tmp_path / "in", 60, 80), tmp_path / "out"
    run(photos, out)
    whole, rows = files(out), table(out)
    (out / "a.png" / "jpeg_2.png").write_bytes(whole["a.png/jpeg_2.png"][:100])
    (out / "a.bmp" / "jpeg_2.png").unlink()
    lines = out / "sub" / "a.png" / "made.jsonl"
    lines.write_bytes(lines.read_bytes()[:-30])
    (out / "a.png" / ".jpeg_5.png.17.partial").write_bytes(b"half")
    again = run(photos, out)
    assert (again.made, again.kept) == (3, 29)
    assert pictures(out) == {name: data for name, data in whole.items() if not name.endswith(".jsonl")}
    pd.testing.assert_frame_equal(table(out), rows)
    more = run(photos, out, types="contrast_change", levels="1", severities=["jpeg=10"])
    assert (more.made, more.kept) == (8, 0)
    assert len(table(out)) == 40


def test_a_changed_picture_is_made_anew(tmp_path: Path) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out"
    Image.fromarray(picture(1)).save(source)
    run(source, out, levels="2,3")
    Image.fromarray(picture(2)).save(source)
    assert run(source, out, types="jpeg", levels="3").made == 1
    assert list(table(out).index) == ["in.png/jpeg_3"]  # the others show a picture that is no more
    assert not (out / "in.png" / "jpeg_2.png").exists()
    expected = distort(picture(2), "jpeg", level=3)
    np.testing.assert_array_equal(np.array(Image.open(out / "in.png" / "jpeg_3.png")), expected)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_job_goes_on_where_it_stood(tmp_path: Path, jobs: int) -> None:
    photos, out, whole = write(tmp_path / "in", 200, 280), tmp_path / "out", tmp_path / "whole"
    child = start(photos, out, jobs)
    child.kill()
    child.communicate()
    assert not (out / "manifest.parquet").exists()
    time.sleep(0.3)  # workers end when they see that their parent is gone
    before = made(out)
    assert 0 < len(before) < 60
    time.sleep(0.3)
    assert made(out) == before  # nobody writes on
    result = run(photos, out, types=TYPES, levels="1-5")
    assert result.made + result.kept == 60
    assert result.kept >= len(before) - jobs  # a file may be in its place, its line not yet
    assert sum(path.stat().st_mtime_ns == moment for path, moment in before.items()) == result.kept
    run(photos, whole, types=TYPES, levels="1-5")
    pd.testing.assert_frame_equal(table(out), table(whole))
    assert pictures(out) == pictures(whole)


def test_a_worker_that_is_stopped_is_told_and_the_job_goes_on_later(tmp_path: Path) -> None:
    photos, out = write(tmp_path / "in", 200, 280), tmp_path / "out"
    child = start(photos, out, 2)
    listed = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    if not listed.is_file():
        child.kill()
        pytest.skip("this system does not list a process's children")
    for worker in map(int, listed.read_text().split()):
        if b"spawn_main" in Path(f"/proc/{worker}/cmdline").read_bytes():
            os.kill(worker, signal.SIGKILL)
            break
    told = child.communicate(timeout=60)[1]
    assert child.returncode == 2
    assert "a worker was stopped from outside" in told
    assert "it resumes" in told
    result = run(photos, out, types=TYPES, levels="1-5")
    assert result.made + result.kept == 60
    assert result.kept > 0
