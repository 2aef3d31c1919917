"""``eyechart distort`` as a person types it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.distort import registry
from eyechart.errors import EyechartError
from eyechart.folder import parse_versions


def call(*words: object) -> Any:
    return CliRunner().invoke(build(), ["distort", *map(str, words)])


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def names(*words: str, **options: str) -> list[str]:
    return [version.name for version in parse_versions(*words, **options)]


def test_the_command_makes_files_and_tells_how_many(photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (photo, out, "--types", "gaussian_blur,jpeg@3", "--levels", "2-3", "--severity", "jpeg=10")
    told = call(*words)
    assert told.exit_code == 0, told.output
    assert told.stdout == f"4 made, 0 there before, 0 set aside\n{out / 'manifest.parquet'}\n"
    assert set(pd.read_parquet(out / "manifest.parquet")["file"]) == {
        "a.png/gaussian_blur_2.png", "a.png/gaussian_blur_3.png", "a.png/jpeg_3.png", "a.png/jpeg=10.png",
    }  # fmt: skip
    assert "0 made, 4 there before" in call(*words).stdout


def test_types_families_all_and_compositions() -> None:
    everything = names("all", "1")
    assert everything == [f"{name}_1" for name in registry()]
    blurs = [name for name, kind in registry().items() if kind.family == "blur"]
    assert names("blur", "1") == [f"{name}_1" for name in blurs]
    assert names("jpeg,blur,jpeg", "1,2")[:2] == ["jpeg_1", "jpeg_2"]
    assert len(names("jpeg,blur,jpeg", "1,2")) == 2 * (len(blurs) + 1)
    assert names("gaussian_blur + jpeg", "2") == ["gaussian_blur_2+jpeg_2"]
    assert names("gaussian_blur@1+jpeg@4", "1-5") == ["gaussian_blur_1+jpeg_4"]
    assert names("gaussian_blur@1+jpeg", "2,3") == ["gaussian_blur_1+jpeg_2", "gaussian_blur_1+jpeg_3"]
    assert [v.name for v in parse_versions(severities=["gaussian_blur+jpeg=1.5+10"])] == [
        "gaussian_blur=1.5+jpeg=10"
    ]


def test_a_corpus_narrows_families_but_not_types() -> None:
    tid = [name for name, kind in registry().items() if "tid2013" in kind.corpora]
    versions = parse_versions("all", "3", corpus="tid2013")
    assert [version.distortion for version in versions] == tid
    assert names("jpeg,comfort_noise", "3", corpus="tid2013") == ["jpeg_tid2013_3", "comfort_noise_3"]
    with pytest.raises(EyechartError, match="no levels for the corpus"):
        names("jitter", "3", corpus="tid2013")
    with pytest.raises(EyechartError, match="none of"):
        names("blur", "3", corpus="nowhere")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--types", "gausian_blur"), "did you mean 'gaussian_blur'"),
        (("--types", "jpeg+"), "there is no distortion ''"),
        (("--types", "jpeg", "--levels", "0-3"), "'0-3' is no level"),
        (("--types", "jpeg", "--levels", "3-1"), "'3-1' is no level"),
        (("--types", "jpeg", "--levels", "1-6"), "level 6 of jpeg does not exist"),
        (("--types", "jpeg@x"), "'x' is no level"),
        (("--types", "jpeg@"), "'' is no level"),
        (("--types", "jpeg@1-3"), "'1-3' is no level"),
        (("--types", "gaussian_blur+jpeg@0"), "level 0 of jpeg does not exist"),
        (("--severity", "jpeg=101"), "out of range"),
        (("--severity", "jpeg"), "one severity"),
        (("--severity", "jpeg=1+2"), "one severity"),
        (("--severity", "gaussian_blur+jpeg=2"), "one severity"),
        (("--severity", "jpeg=nan"), "out of range"),
        ((), "nothing to make"),
        (("--types", "jpeg", "--corpus", "nowhere"), "no levels for the corpus"),
        (("--types", "jpeg", "--format", "jpg"), "lossless"),
        (("--types", "jpeg", "--jobs", "0"), "at least one"),
    ],
)
def test_mistakes_are_told(photo: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    result = call(photo, tmp_path / "out", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not (tmp_path / "out").exists()


def test_without_in_and_out_it_says_what_is_missing() -> None:
    assert "IN or OUT is missing" in call("--types", "jpeg").stderr


def test_the_list_names_every_type_with_its_levels() -> None:
    lines = call("--list").stdout.splitlines()
    listed = {line.split()[0]: line for line in lines[1:]}
    assert set(listed) == set(registry())
    assert re.search(r"compression +quality .* 1 to 100 .*kadid10k: 43 36 24 7 4", listed["jpeg"])


@given(st.text(max_size=20), st.text(max_size=8), st.text(max_size=12))
def test_no_words_escape_as_another_error(types: str, levels: str, severity: str) -> None:
    with contextlib.suppress(EyechartError):
        assert parse_versions(types, levels, [severity])


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_levels_are_those_that_were_written(levels: list[int]) -> None:
    unique = list(dict.fromkeys(levels))
    assert names("jpeg", ",".join(map(str, levels))) == [f"jpeg_{level}" for level in unique]


@given(st.floats(0, 50, allow_nan=False))
def test_a_severity_survives_the_name_of_its_file(value: float) -> None:
    (version,) = parse_versions(severities=[f"gaussian_blur={value!r}"])
    assert float(version.name.partition("=")[2]) == value == version.steps[0].severity
