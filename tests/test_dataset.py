"""Datasets: balanced, without leaks, the same however built, readable by others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from eyechart.cli.main import build as application
from eyechart.corpora.dead_leaves import dead_leaves
from eyechart.dataset import Dataset, DatasetConfig, build_dataset, check_dataset, counts, load_dataset
from eyechart.dataset.store import schema
from eyechart.distort import psnr
from eyechart.errors import EyechartError
from eyechart.taxonomy import load_label_map

SMALL: dict[str, Any] = {
    "name": "small",
    "crop": 64,
    "levels": (1, 4),
    "train_images": 192,
    "crops_per_distorted": 2,
    "clean_per_content": 3,
}
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of one's own, one of them twice, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(10):
        Image.fromarray(dead_leaves(100 + number, 130, 150)).save(folder / f"scene {number}.png")
    shutil.copy(folder / "scene 3.png", folder / "twin.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    (folder / "notes.txt").write_text("not a picture")
    return folder


@pytest.fixture(scope="module")
def dataset(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig.of(photos=photos, **SMALL)
    return build_dataset(config, tmp_path_factory.mktemp("datasets"), workers=2)


@pytest.fixture
def copy(dataset: Dataset, tmp_path: Path) -> Dataset:
    return load_dataset(Path(shutil.copytree(dataset.path, tmp_path / "copy")))


def _whole(dataset: Dataset) -> pd.DataFrame:
    return pd.concat([dataset.table(split) for split in SPLITS], ignore_index=True)


def _edit(dataset: Dataset, split: str, column: str, row: int, value: object) -> None:
    rows = pq.read_table(dataset.path / f"{split}-00000.parquet").to_pylist()
    rows[row][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema()), dataset.path / f"{split}-00000.parquet")


def test_no_content_is_in_two_splits_and_all_are_there(dataset: Dataset) -> None:
    table = _whole(dataset)
    own = table[table["corpus"] == "photos"].groupby("split")["content"].nunique()
    assert dict(own) == {"train": 6, "validation": 1, "test": 3}
    assert (table.groupby("content")["split"].nunique() == 1).all()
    assert set(table.loc[table["corpus"] == "dead_leaves", "split"]) == {"train"}


def test_labels_levels_and_types_are_balanced(dataset: Dataset) -> None:
    train = dataset.table("train")
    assert train["label"].value_counts().to_dict() == dict.fromkeys(dataset.labels, 24)
    test = counts(dataset).loc["test"]
    assert (test.loc[[1, 4]].drop(columns="clean") == 3).to_numpy().all()
    assert test.loc[0, "clean"] == 9
    labels = load_label_map("paper8")
    for row in _whole(dataset).to_dict("records"):
        assert labels.label(row["corpus"], row["distortion"]) == row["label"]


def test_every_distorted_picture_has_its_clean_counterpart_and_can_be_seen(dataset: Dataset) -> None:
    table = dataset.table("test")
    images = dict(zip(table["image_id"], dataset.images("test"), strict=True))
    for row in table.to_dict("records"):
        clean = table[(table["content"] == row["content"]) & (table["level"] == 0)]["image_id"]
        found = [psnr(images[row["image_id"]], images[name]) for name in clean]
        if row["level"]:
            assert any(
                value == pytest.approx(row["psnr"]) for value in found
            )  # the right place is among them
            assert row["psnr"] < 48
        else:
            assert np.isinf(row["psnr"])
            assert np.isnan(row["severity"])


def test_what_cannot_be_used_or_seen_is_set_aside_with_the_reason(dataset: Dataset) -> None:
    aside = pd.read_csv(dataset.path / "set_aside.csv")
    reasons = dict(zip(aside["item"], aside["reason"], strict=True))
    assert "cannot be read" in reasons["broken.jpg"]
    assert "same picture as scene 3.png" in reasons["twin.png"]
    assert "notes.txt" not in reasons
    invisible = [item for item, reason in reasons.items() if "cannot be seen" in reason]
    assert any("/gaussian_blur/1/" in item for item in invisible)
    assert not {"gaussian_blur", "motion_blur"} & set(_whole(dataset).query("level == 1")["distortion"])
    assert dataset.record()["set_aside"] == len(aside)


def test_workers_and_names_do_not_change_the_dataset(dataset: Dataset, photos: Path, tmp_path: Path) -> None:
    again = build_dataset(DatasetConfig.of(photos=photos, **SMALL), tmp_path, workers=1)
    assert again.hash == dataset.hash
    assert again.path.name == dataset.path.name == f"small-{dataset.hash[:12]}"
    pd.testing.assert_frame_equal(_whole(again), _whole(dataset))
    other = build_dataset(DatasetConfig.of(photos=photos, **{**SMALL, "seed": 1}), tmp_path)
    assert other.hash != dataset.hash


def test_a_whole_dataset_is_returned_and_nothing_partial_stays(
    dataset: Dataset, photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("eyechart.dataset.build.make", _fail)
    config = DatasetConfig.of(photos=photos, **SMALL)
    assert build_dataset(config, dataset.path.parent) == dataset
    with pytest.raises(EyechartError, match="No space left"):
        build_dataset(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _fail(task: object, config: object) -> None:
    raise OSError(28, "No space left on device")


def test_hugging_face_reads_the_same_pixels(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets", reason="the reader under test")
    files = {split: str(dataset.path / f"{split}-00000.parquet") for split in SPLITS}
    found = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    for split in SPLITS:
        images = dataset.images(split)
        assert found[split]["image_id"][:] == dataset.table(split)["image_id"].tolist()
        for row in (0, len(images) - 1):
            picture = found[split][row]["image"]
            assert isinstance(picture, Image.Image)
            np.testing.assert_array_equal(np.array(picture), images[row])


def test_images_come_in_the_order_asked(dataset: Dataset) -> None:
    names = dataset.table("test")["image_id"].tolist()
    images = dataset.images("test")
    assert images[0].shape == (64, 64, 3)
    assert images[0].dtype == np.uint8
    first, second = dataset.images("test", [names[5], names[2]])
    np.testing.assert_array_equal(first, images[5])
    np.testing.assert_array_equal(second, images[2])
    with pytest.raises(EyechartError, match="no picture 'x'"):
        dataset.images("test", ["x"])


def test_a_sound_dataset_has_no_problem(dataset: Dataset) -> None:
    assert check_dataset(dataset) == []


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("content", "1 contents are in two splits"),
        ("label", "1 labels are not those of the label map"),
        ("pixels_sha256", "1 pictures of train do not match their hash"),
        ("image_id", "1 ids come twice"),
    ],
)
def test_planted_faults_are_found(copy: Dataset, column: str, told: str) -> None:
    value = {
        "content": copy.table("test")["content"].iloc[0],
        "label": "noise" if copy.table("train")["label"].iloc[0] != "noise" else "blur",
        "pixels_sha256": "0" * 64,
        "image_id": copy.table("train")["image_id"].iloc[1],
    }[column]
    _edit(copy, "train", column, 0, value)
    assert any(problem.startswith(told) for problem in check_dataset(copy))


def test_a_picture_that_is_in_two_places_is_found(copy: Dataset) -> None:
    rows = pq.read_table(copy.path / "test-00000.parquet").to_pylist()
    for column in ("image", "pixels_sha256"):
        _edit(copy, "train", column, 0, rows[5][column])
    problems = check_dataset(copy)
    assert any("pictures are in two splits" in problem for problem in problems)
    assert any("pictures have two labels" in problem for problem in problems)


def test_a_lost_label_is_found(copy: Dataset) -> None:
    rows = pq.read_table(copy.path / "test-00000.parquet").to_pylist()
    kept = [row for row in rows if row["label"] != "jitter"]
    pq.write_table(pa.Table.from_pylist(kept, schema()), copy.path / "test-00000.parquet")
    assert check_dataset(copy) == ["test has no picture of jitter"]


def test_damaged_datasets_are_told(copy: Dataset, tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match="it holds the datasets copy"):
        load_dataset(tmp_path)
    (copy.path / "test-00000.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(EyechartError, match=r"test-00000\.parquet is absent or damaged"):
        copy.table("test")
    (copy.path / "train-00000.parquet").unlink()
    with pytest.raises(EyechartError, match=r"lacks train-00000\.parquet"):
        load_dataset(copy.path)
    (copy.path / "dataset.json").write_text("{")
    with pytest.raises(EyechartError, match=r"dataset\.json is damaged"):
        load_dataset(copy.path)
    (copy.path / "dataset.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(EyechartError, match="lacks name, hash or label_map"):
        load_dataset(copy.path)
    with pytest.raises(EyechartError, match="no split 'dev'"):
        copy.table("dev")


def test_too_few_photographs_are_told(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(dead_leaves(number, 130, 130)).save(tmp_path / f"{number}.png")
    with pytest.raises(EyechartError, match="at least 4"):
        build_dataset(DatasetConfig.of(photos=tmp_path, **SMALL), tmp_path / "out")


def test_a_crop_larger_than_every_photograph_is_told(tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match="no photograph for validation"):
        build_dataset(DatasetConfig.of(crop=1000), tmp_path)


def test_the_commands_build_show_and_check(photos: Path, tmp_path: Path) -> None:
    run = CliRunner()
    asked = ["--out", str(tmp_path), "--photos", str(photos), "--crop", "48", "--train-images", "8"]
    built = run.invoke(application(), ["dataset", "build", *asked])
    assert built.exit_code == 0, built.output
    folder = next(tmp_path.iterdir())
    assert str(folder) in built.output
    shown = run.invoke(application(), ["dataset", "show", str(folder)])
    assert "colorfulness" in shown.output
    checked = run.invoke(application(), ["dataset", "check", str(folder)])
    assert (checked.exit_code, "no problem found" in checked.output) == (0, True)
    _edit(load_dataset(folder), "train", "label", 0, "jitter")
    assert run.invoke(application(), ["dataset", "check", str(folder)]).exit_code == 1
    assert run.invoke(application(), ["dataset", "show", str(tmp_path)]).exit_code == 2
