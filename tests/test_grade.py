"""Answers from elsewhere: graded as an exam's own, and every mistake in the file is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.exam.outside import grade_answers, read_answers
from eyechart.runs import Run
from eyechart.single import grade_run

LABELS = ("blur", "noise", "clean")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rows = [(f"p/{i}", f"p{i % 2}", "photos", "jpeg", 1, LABELS[i % 3]) for i in range(6)]
    return pd.DataFrame(rows, columns=["image_id", "content", "corpus", "distortion", "level", "label"])


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def full(table: pd.DataFrame, **more: Any) -> list[dict[str, Any]]:
    return [{"image_id": name, "text": "It is noise.", **more} for name in table["image_id"]]


def test_csv_and_jsonl_give_the_same(tmp_path: Path, table: pd.DataFrame) -> None:
    rows = full(table, template="mine")
    one = read_answers(written(tmp_path, "a.jsonl", lines(rows)), LABELS)
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    two = read_answers(tmp_path / "a.csv", LABELS)
    pd.testing.assert_frame_equal(one, two)
    graded = grade_answers(one, table, LABELS, "base")
    assert graded["readout"].unique().tolist() == ["generate"]
    assert graded["correct"].tolist() == (table["label"] == "noise").tolist()
    assert graded["image_id"].tolist() == table["image_id"].tolist()


def test_scores_choose_and_texts_generate(tmp_path: Path, table: pd.DataFrame) -> None:
    rows = full(table, scores={"clean": -0.1, "blur": -3, "noise": -4})
    rows[0]["text"] = "no idea"
    found = read_answers(written(tmp_path, "a.jsonl", lines(rows)), LABELS)
    graded = grade_answers(found, table, LABELS, "base")
    texts, choices = (graded[graded["readout"] == readout] for readout in ("generate", "choose"))
    assert choices["predicted"].unique().tolist() == ["clean"]
    assert texts["predicted"].isna().tolist() == [True, *[False] * 5]
    assert not texts["correct"].iloc[0]
    np.testing.assert_array_equal(choices["logp"].iloc[1], [-3, -4, -0.1])  # in the order of the labels
    csv = pd.DataFrame([{**row, **{f"logp_{k}": v for k, v in row.pop("scores").items()}} for row in rows])
    csv.to_csv(tmp_path / "a.csv", index=False)
    again = grade_answers(read_answers(tmp_path / "a.csv", LABELS), table, LABELS, "base")
    pd.testing.assert_series_equal(again["predicted"], graded["predicted"])


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.txt", "", "neither csv nor jsonl"),
        ("a.csv", "", "lacks the column image_id, text"),
        ("a.csv", "image_id,answer\np/0,blur\n", "lacks the column text"),
        ("a.csv", "image_id,text\n", "holds no answer"),
        ("a.jsonl", '{"image_id": "p/0", "text": "blur"}\n{broken\n', "line 2 of a.jsonl is no JSON"),
        ("a.jsonl", '["p/0", "blur"]\n', "line 1 of a.jsonl lacks"),
        ("a.jsonl", '{"image_id": 3, "text": "blur"}\n', "must be strings"),
        ("a.jsonl", '{"image_id": "p/0", "text": null}\n', "must be strings"),
        ("a.jsonl", '{"image_id": "p/0", "text": "", "scores": {"blur": 1}}\n', "every label once"),
        ("a.csv", "image_id,text,logp_blur,logp_noise,logp_clean\np/0,x,1,two,3\n", "line 2 of a.csv"),
        ("a.csv", "image_id,text\np/0,a\np/1,No noise, I see blur\n", "line 3 of a.csv has 3 fields"),
        ("a.csv", "image_id,text\np/0\n", "line 2 of a.csv has 1 fields, .* lacks text"),
        ("a.csv", "image_id,text,template\np/0,blur\n", "line 2 of a.csv has 2 fields, .* lacks template"),
        ("a.csv", "image_id,text,logp_blur,logp_noise,logp_clean\np/0,x,1,nan,3\n", "not finite"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(EyechartError, match=told):
        read_answers(written(tmp_path, name, text), LABELS)


def test_a_text_with_commas_and_lines_is_whole_in_quotation_marks(tmp_path: Path) -> None:
    text = "There is no noise, I see\nblur, or not"
    found = read_answers(written(tmp_path, "a.csv", f'image_id,text\np/0,"{text}"\n\np/1,\n'), LABELS)
    assert found["text"].tolist() == [text, ""]
    with pytest.raises(EyechartError) as raised:
        read_answers(written(tmp_path, "b.csv", "image_id,text\np/0,No noise, but blur\n"), LABELS)
    assert "quotation marks" in raised.value.remedy
    assert "jsonl" in raised.value.remedy


def test_unknown_missing_and_doubled_images_are_told(tmp_path: Path, table: pd.DataFrame) -> None:
    def graded(rows: list[dict[str, Any]], partial: bool = False) -> pd.DataFrame:
        found = read_answers(written(tmp_path, "a.jsonl", lines(rows)), LABELS)
        return grade_answers(found, table, LABELS, "base", partial=partial)

    rows = full(table)
    with pytest.raises(EyechartError, match="1 images are not in the dataset's test split: q/9"):
        graded([*rows, {"image_id": "q/9", "text": "blur"}])
    with pytest.raises(EyechartError, match="two answers: p/0"):
        graded([*rows, rows[0]])
    with pytest.raises(EyechartError, match="2 of 6 images have no answer to outside: p/4, p/5"):
        graded(rows[:4])
    assert len(graded(rows[:4], partial=True)) == 4
    assert len(graded(full(table, template="a") + full(table, template="b"))) == 12


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig(crop=48, test_contents=2, clean_per_content=1, train_images=32, levels=(3, 5))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


def test_a_file_of_answers_becomes_a_report(tmp_path: Path, dataset: Dataset) -> None:
    names = dataset.table("test")["image_id"]
    text = lines([{"image_id": name, "text": "<script>alert(1)</script> blurry"} for name in names])
    answers = written(tmp_path, "other.jsonl", text)
    page = grade_run(answers, dataset.path, tmp_path / "run", partial=False, seed=0, say=lambda _: None)
    html = page.read_text(encoding="utf-8")
    assert "other.jsonl" in html
    assert "<script>alert" not in html
    kept = Run(tmp_path / "run").read_table("arms/base/answers")
    assert kept["correct"].sum() == (dataset.table("test")["label"] == "blur").sum() > 0
    answers.write_text(text.replace("blurry", "noisy"))
    with pytest.raises(EyechartError, match="configuration"):
        grade_run(answers, dataset.path, tmp_path / "run", partial=False, seed=0, say=lambda _: None)
