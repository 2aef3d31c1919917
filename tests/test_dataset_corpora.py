"""Datasets from rated corpora: the very bytes, honest splits, nothing lost without a word."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import small_corpora as small
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from typer.testing import CliRunner

from eyechart.cli.main import build as application
from eyechart.dataset import Dataset, DatasetConfig, build_dataset, check_dataset
from eyechart.dataset.card import leaks_told
from eyechart.dataset.splits import split_of
from eyechart.errors import EyechartError

SPLITS = ("train", "validation", "test")


def config(**given: Any) -> DatasetConfig:
    return DatasetConfig.of(**{"name": "mixed", **given})


def source(name: str, path: Path, *, partial: bool = True) -> dict[str, Any]:
    return {"name": name, "path": path, "partial": partial}


def whole(dataset: Dataset) -> Any:
    """Return all rows by image_id; untyped, as pandas' stubs know too many kinds of cells."""
    return pd.concat([dataset.table(split) for split in SPLITS], ignore_index=True).set_index("image_id")


def aside(dataset: Dataset) -> dict[str, str]:
    table = pd.read_csv(dataset.path / "set_aside.csv")
    return dict(zip(table["item"], table["reason"], strict=True))


@pytest.fixture(scope="module")
def kadid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.kadid10k(tmp_path_factory.mktemp("kadid10k"))


@pytest.fixture(scope="module")
def tid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.tid2013(tmp_path_factory.mktemp("tid2013"))


@pytest.fixture(scope="module")
def both(kadid: Path, tid: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    corpora = [source("tid2013", tid), source("kadid10k", kadid)]
    return build_dataset(config(corpora=corpora), tmp_path_factory.mktemp("datasets"))


def test_pictures_are_the_very_bytes_of_the_corpus(both: Dataset, kadid: Path, tid: Path) -> None:
    found = {row["image_id"]: row for split in SPLITS for row in both.rows(split)}
    assert len(found) == 8 * 5 + 3 * 3
    files = {path.stem.upper(): path for root in (kadid, tid) for path in root.rglob("*_*_*.[bp][mn][pg]")}
    for image_id, row in found.items():
        corpus, _, name = image_id.partition("/")
        if "_" in name:
            path = files[name.upper()]
            assert row["image"]["bytes"] == path.read_bytes()
            assert row["reference"] == f"{corpus}/{name.partition('_')[0]}"
            assert row["reference"] in found
            pair = [decoded(found[key]["image"]["bytes"]) for key in (row["reference"], image_id)]
            assert row["psnr"] == pytest.approx(peak_signal_noise_ratio(*pair, data_range=255))
        assert Path(row["image"]["path"]).suffix == {"kadid10k": ".png", "tid2013": ".bmp"}[corpus]


def decoded(data: bytes) -> np.ndarray[Any, Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def test_rows_say_what_the_corpus_says(both: Dataset) -> None:
    row = whole(both).loc["kadid10k/I02_10_05"]
    assert dict(row[["distortion", "code", "level", "severity", "label"]]) == {
        "distortion": "jpeg",
        "code": "10",
        "level": 5,
        "severity": 4.0,
        "label": "compression",
    }
    raw = 1.5 + 3 / 2
    assert (row["score_raw"], row["score_std"], row["score"]) == (raw, 0.5, pytest.approx((raw - 1) / 4))
    clean = whole(both).loc["kadid10k/I02"]
    assert (clean["label"], clean["level"], clean["reference"]) == ("clean", 0, "")
    assert np.isnan(clean["score"])


def test_contents_keep_their_split_and_joined_ones_are_one(
    both: Dataset, kadid: Path, tmp_path: Path
) -> None:
    table = whole(both)
    assert (table.groupby("content")["split"].nunique() == 1).all()
    assert table.loc["tid2013/I01", "content"] == "kodak/kodim01"
    # TID's I25 is KADID's third reference resized here: one scene, found by looking.
    assert table.loc["tid2013/I25", "content"] == table.loc["kadid10k/I03", "content"]
    assert list(both.record()["joined"]) == [
        name for name in ("kadid10k/I03", "tid/I25") if name != table.loc["tid2013/I25", "content"]
    ]
    alone = whole(build_dataset(config(corpora=[source("kadid10k", kadid)]), tmp_path))
    shared = table[(table["corpus"] == "kadid10k") & (table["content"].str.startswith("kadid10k"))]
    assert (alone.loc[shared.index, "split"] == shared["split"]).all()  # a further corpus moves nothing
    assert all(
        split_of(content) == split for content, split in zip(table["content"], table["split"], strict=True)
    )


def test_what_equals_its_reference_is_left_out_or_becomes_clean(
    both: Dataset, kadid: Path, tmp_path: Path
) -> None:
    reasons = aside(both)
    unchanged = [f"kadid10k/I{number:02}_{small.UNCHANGED}" for number in range(1, 9)]
    assert all("cannot be told from its reference: PSNR inf" in reasons[name] for name in unchanged)
    assert "no label in paper8: " in reasons[f"kadid10k/I01_{small.WITHOUT_LABEL}"]
    assert len(reasons) == both.record()["set_aside"] == 16
    assert "partial" not in " ".join(reasons)
    relabelled = build_dataset(config(corpora=[source("kadid10k", kadid)], identical="clean"), tmp_path)
    rows = whole(relabelled).loc[unchanged]
    assert set(rows["label"]) == {"clean"}
    assert set(rows["code"]) == {"08"}
    assert not [told for told in check_dataset(relabelled) if "has no picture" not in told]


def test_a_picture_that_is_there_twice_is_kept_once(kadid: Path, tmp_path: Path) -> None:
    shutil.copytree(kadid, tmp_path / "copy")
    images = tmp_path / "copy" / "images"
    shutil.copy(images / "I01_10_05.png", images / "I01_25_01.png")
    built = build_dataset(config(corpora=[source("kadid10k", tmp_path / "copy")]), tmp_path / "out")
    assert aside(built)["kadid10k/I01_25_01"] == "the same picture as kadid10k/I01_10_05"
    assert "kadid10k/I01_10_05" in whole(built).index


def test_a_damaged_copy_is_refused_or_its_damage_set_aside(kadid: Path, tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match=r"(?s)I01_01_01: The picture is not there.*--partial"):
        build_dataset(config(corpora=[source("kadid10k", kadid, partial=False)]), tmp_path)
    shutil.copytree(kadid, tmp_path / "copy")
    images = tmp_path / "copy" / "images"
    (images / "I01_10_05.png").write_bytes((images / "I01_10_05.png").read_bytes()[:200])
    Image.fromarray(small.reference(9)[:50]).save(images / "I01_11_05.png")
    built = build_dataset(config(corpora=[source("kadid10k", tmp_path / "copy")]), tmp_path / "out")
    assert "I01_10_05.png cannot be decoded" in aside(built)["kadid10k/I01_10_05"]
    assert "160 x 50 pixels, its reference 160 x 128" in aside(built)["kadid10k/I01_11_05"]
    assert len(whole(built)) == 8 * 5 - 2


def test_crops_of_one_content_are_taken_at_one_place(kadid: Path, both: Dataset, tmp_path: Path) -> None:
    cropped = build_dataset(config(corpora=[source("kadid10k", kadid)], corpus_crop=64), tmp_path)
    names = ["kadid10k/I02", "kadid10k/I02_11_05"]
    split = whole(cropped).loc[names[0], "split"]
    clean, noisy = cropped.images(split, names)
    assert clean.shape == (64, 64, 3)
    large, large_noisy = both.images(split, names)
    places = [
        (top, left)
        for top in range(large.shape[0] - 63)
        for left in range(large.shape[1] - 63)
        if np.array_equal(large[top : top + 64, left : left + 64], clean)
    ]
    assert len(places) == 1
    top, left = places[0]
    np.testing.assert_array_equal(large_noisy[top : top + 64, left : left + 64], noisy)


def test_neither_workers_nor_archives_nor_order_change_the_dataset(
    both: Dataset, kadid: Path, tid: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "kadid10k.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(kadid.rglob("*.*")):
            archive.write(path, path.relative_to(kadid))
    corpora = [source("kadid10k", packed), source("tid2013", tid)]
    again = build_dataset(config(corpora=corpora), tmp_path, workers=3, shard_bytes=200_000)
    assert again.hash == both.hash
    assert len(again.record()["shards"]["train"]) > len(both.record()["shards"]["train"])
    pd.testing.assert_frame_equal(whole(again), whole(both))


def test_photographs_that_a_corpus_has_are_set_aside(kadid: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for number in range(40, 46):
        Image.fromarray(small.reference(number)).save(own / f"{number}.png")
    Image.fromarray(small.reference(1)).save(own / "seen.png")
    given = {"photos": own, "crop": 64, "train_images": 96, "synthetic": True}
    built = build_dataset(config(corpora=[source("kadid10k", kadid)], **given), tmp_path)
    assert aside(built)["seen.png"] == "shows the scene kadid10k/I01 of a corpus"
    assert set(whole(built)["corpus"]) == {"photos", "dead_leaves", "kadid10k"}
    card = (built.path / "README.md").read_text()
    assert "Not to be redistributed" in card
    assert "hf upload" not in card


def test_hugging_face_loads_and_streams_the_folder(both: Dataset, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the reader under test")
    found = datasets.load_dataset(str(both.path), cache_dir=str(tmp_path))
    for split in SPLITS:
        assert found[split]["image_id"][:] == both.table(split)["image_id"].tolist()
        np.testing.assert_array_equal(np.array(found[split][0]["image"]), both.images(split)[0])
    streamed = datasets.load_dataset(str(both.path), split="train", streaming=True, cache_dir=str(tmp_path))
    first = next(iter(streamed))
    assert isinstance(first["image"], Image.Image)
    assert first["image_id"] == both.table("train")["image_id"].iloc[0]


def test_a_published_split_is_followed(kadid: Path, tmp_path: Path) -> None:
    names = [f"I{number:02}" for number in range(1, 9)]
    parts = {"train": names[:5], "val": names[5:6], "test": names[6:]}
    file = tmp_path / "splits.json"
    file.write_text(json.dumps({"splits": {"kadid10k": [parts]}}))
    built = build_dataset(config(corpora=[source("kadid10k", kadid)], split_file=file), tmp_path)
    for split, part in zip(SPLITS, parts.values(), strict=True):
        assert set(built.table(split)["content"]) == {f"kadid10k/{name}" for name in part}
    record = {"published_split": {"leaks": ["kodak/kodim03 is train in live, test in tid2013"]}}
    assert "so 1 contents were moved:\n\n- kodak/kodim03 is train" in leaks_told(record)
    assert leaks_told(built.record()) == ""


def test_a_corpus_without_any_label_is_told(tmp_path: Path) -> None:
    (tmp_path / "1024x768").mkdir()
    Image.fromarray(small.reference(1)).save(tmp_path / "1024x768" / "826373.jpg")
    (tmp_path / "koniq10k_scores_and_distributions.csv").write_text(
        '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"\n'
        '"826373.jpg",0,0,25,73,7,105,3.83,0.53,74.1\n'
    )
    with pytest.raises(EyechartError, match="has a label for no picture"):
        build_dataset(config(corpora=[source("koniq10k", tmp_path)]), tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"corpora": [{"name": "kadid", "path": "x"}]}, "no reader for 'kadid'; known: live"),
        ({"corpora": [{"name": "live", "path": "x"}, {"name": "live", "path": "y"}]}, "given once"),
        ({"synthetic": False}, "name at least one"),
        ({"types": ["jpeg", "gausian_blur"]}, "types must be 'all' or some of"),
    ],
)
def test_impossible_settings_are_told(given: dict[str, Any], told: str) -> None:
    with pytest.raises(EyechartError, match=told):
        config(**given)


def test_the_commands_build_and_check_a_corpus(kadid: Path, tmp_path: Path) -> None:
    run = CliRunner()
    refused = run.invoke(application(), ["dataset", "check", "kadid10k", str(kadid)])
    assert refused.exit_code == 1
    lines = [line for line in refused.output.splitlines() if line.startswith("DAMAGE: missing")]
    assert len(lines) == 21
    assert "more; --all shows them" in lines[-1]
    whole = run.invoke(application(), ["dataset", "check", "kadid10k", str(kadid), "--all"])
    assert "DAMAGE: missing: I81_25_05: The picture is not there." in whole.output
    assert "KADID-10k: 48 distorted pictures, 10125 published" in refused.output
    accepted = run.invoke(application(), ["dataset", "check", "kadid10k", str(kadid), "--partial"])
    told = [line for line in accepted.output.splitlines() if line.startswith("DAMAGE")]
    assert (accepted.exit_code, told) == (0, []), accepted.output
    asked = ["--corpus", f"kadid10k={kadid}", "--partial", "--out", str(tmp_path)]
    built = run.invoke(application(), ["dataset", "build", *asked])
    assert built.exit_code == 0, built.output
    assert next(tmp_path.iterdir()).name.startswith("kadid10k-")
    assert run.invoke(application(), ["dataset", "build", "--corpus", "kadid10k"]).exit_code == 2
