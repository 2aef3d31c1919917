"""Exports are what each tool documents, hold no test picture for training, and lose no pixel."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import small_corpora as small
import yaml
from PIL import Image
from typer.testing import CliRunner

from eyechart.cli.main import build as application
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.dataset.export import FORMS, export_dataset
from eyechart.errors import EyechartError
from eyechart.templates import load_templates

QUESTIONS = {template.text for template in load_templates() if template.split == "train"}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    kadid = small.kadid10k(tmp_path_factory.mktemp("kadid10k"))
    corpora = [{"name": "kadid10k", "path": kadid, "partial": True}]
    names = [f"I{number:02}" for number in range(1, 9)]
    parts = {"train": names[:5], "val": names[5:6], "test": names[6:]}
    file = tmp_path_factory.mktemp("splits") / "splits.json"
    file.write_text(json.dumps({"splits": {"kadid10k": [parts]}}))
    config = DatasetConfig.of(name="small-1", corpora=corpora, split_file=file)
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


def same_pictures(dataset: Dataset, split: str, paths: list[Path]) -> None:
    pictures = dataset.images(split)
    assert len(paths) == len(pictures) > 0
    for path, picture in zip(paths, pictures, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)


def chat(messages: list[dict[str, str]]) -> tuple[str, str]:
    """Return question and answer of messages in OpenAI's form, with the picture before the question."""
    assert [(message["role"], set(message)) for message in messages] == [
        ("user", {"role", "content"}),
        ("assistant", {"role", "content"}),
    ]
    asked = messages[0]["content"]
    assert asked.startswith("<image>")
    assert asked.count("<image>") == 1
    return asked.removeprefix("<image>"), messages[1]["content"]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_llava(dataset: Dataset, tmp_path: Path, split: str) -> None:
    export_dataset(dataset, "llava", tmp_path)
    entries = json.loads((tmp_path / f"{split}.json").read_text())
    table = dataset.table(split)
    assert [entry["id"] for entry in entries] == table["image_id"].tolist()
    assert all(set(entry) == {"id", "image", "conversations"} for entry in entries)
    for entry, label in zip(entries, table["label"], strict=True):
        human, gpt = entry["conversations"]
        assert human["from"] == "human"
        assert human["value"].removeprefix("<image>\n") in QUESTIONS
        assert gpt == {"from": "gpt", "value": label}
    same_pictures(dataset, split, [tmp_path / entry["image"] for entry in entries])


def test_ms_swift(dataset: Dataset, tmp_path: Path) -> None:
    export_dataset(dataset, "ms-swift", tmp_path)
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert all(set(entry) == {"messages", "images"} for entry in entries)
    said = [chat(entry["messages"]) for entry in entries]
    assert {question for question, _ in said} <= QUESTIONS
    assert [answer for _, answer in said] == dataset.table("train")["label"].tolist()
    paths = [Path(path) for entry in entries for path in entry["images"]]
    assert all(path.is_absolute() for path in paths)
    same_pictures(dataset, "train", paths)


def test_llama_factory(dataset: Dataset, tmp_path: Path) -> None:
    export_dataset(dataset, "llama-factory", tmp_path)
    info = json.loads((tmp_path / "dataset_info.json").read_text())
    assert set(info) == {"eyechart_train", "eyechart_validation"}
    entry = info["eyechart_train"]
    assert entry["formatting"] == "sharegpt"
    assert entry["columns"] == {"messages": "messages", "images": "images"}
    role, content = entry["tags"]["role_tag"], entry["tags"]["content_tag"]
    rows = json.loads((tmp_path / entry["file_name"]).read_text())
    for row, label in zip(rows, dataset.table("train")["label"], strict=True):
        asked, answered = row["messages"]
        assert (asked[role], answered[role]) == (entry["tags"]["user_tag"], entry["tags"]["assistant_tag"])
        assert (chat(row["messages"])[0] in QUESTIONS, answered[content]) == (True, label)
    same_pictures(dataset, "train", [tmp_path / row["images"][0] for row in rows])


def test_no_picture_of_the_test_split_is_given_for_training(dataset: Dataset, tmp_path: Path) -> None:
    for form in ("llava", "ms-swift", "llama-factory"):
        export_dataset(dataset, form, tmp_path / form)
        assert {path.name for path in (tmp_path / form / "images").iterdir()} == {"train", "validation"}


class _Task(yaml.SafeLoader):
    """Reads the files of lmms-eval tasks, in which ``!function utils.name`` names a function beside them."""


_Task.add_constructor("!function", lambda loader, node: str(node.value))


def test_lmms_eval(dataset: Dataset, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="lmms-eval reads pictures with it")
    export_dataset(dataset, "lmms-eval", tmp_path / "task")
    files = sorted((tmp_path / "task").glob("*.yaml"))
    assert len(files) == len(load_templates())
    tasks = {file.stem: yaml.load(file.read_text(), _Task) for file in files}
    assert all(name == task["task"] and "-" not in name for name, task in tasks.items())
    task = tasks["eyechart_small_1_word_list"]
    data = task["dataset_kwargs"]
    found = datasets.load_dataset(task["dataset_path"], cache_dir=str(tmp_path / "cache"), **data)
    docs = found[task["test_split"]]
    assert docs["image_id"][:] == dataset.table("test")["image_id"].tolist()
    functions = beside(tmp_path / "task" / "utils.py")
    for key in ("doc_to_visual", "doc_to_text", "process_results"):
        assert task[key] == f"utils.{key}"
    doc: dict[str, Any] = docs[0]
    np.testing.assert_array_equal(np.asarray(functions.doc_to_visual(doc)[0]), dataset.images("test")[0])
    question = functions.doc_to_text(doc, task["lmms_eval_specific_kwargs"]["default"])
    assert all(label in question for label in dataset.labels)
    right, wrong = doc["label"], next(label for label in dataset.labels if label != doc["label"])
    score = functions.process_results
    assert score(doc, [f"It is {right}."]) == {"accuracy": 1.0, "one_label": 1.0}
    assert score(doc, [f"It is {wrong}."]) == {"accuracy": 0.0, "one_label": 1.0}
    assert score(doc, ["blur and noise"]) == {"accuracy": 0.0, "one_label": 0.0}
    assert {metric["metric"] for metric in task["metric_list"]} == set(score(doc, [""]))


def beside(file: Path) -> ModuleType:
    """Import a file as lmms-eval does."""
    spec = importlib.util.spec_from_file_location("utils", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_exports_with_the_terms_and_refuses_what_cannot_be(
    dataset: Dataset, tmp_path: Path
) -> None:
    run = CliRunner()
    for form in FORMS:
        out = tmp_path / form
        asked = ["dataset", "export", str(dataset.path), "--format", form, "--out", str(out)]
        done = run.invoke(application(), asked)
        assert done.exit_code == 0, done.output
        assert str(out) in done.output
        assert "Not to be redistributed" in (out / "DATASET.md").read_text()
        again = run.invoke(application(), asked)
        assert (again.exit_code, "is not empty" in again.output) == (2, True)
    with pytest.raises(EyechartError, match="known: llava, ms-swift, llama-factory, lmms-eval"):
        export_dataset(dataset, "coco", tmp_path / "coco")
    assert not (tmp_path / "coco").exists()
