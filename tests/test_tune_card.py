"""A tuned subject's card: read back by the hub's own library, complete, escaped, and without folders."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard

from eyechart.report.numbers import Number
from eyechart.tune.card import Card, Result, write_card
from eyechart.tune.config import TuneConfig

HASH = "0123456789abcdef" * 4


def row(method: str, changed: int) -> dict[str, Any]:
    hashes = {"sha256_before": HASH, "sha256_after": HASH[::-1] if changed else HASH}
    numbers = {"tensors": 20, "changed_tensors": changed, "relative_change": changed / 1000}
    stayed = ["model.vision_tower.post_layernorm.weight"] if method == "full" else []
    return {"method": method, **numbers, "no_gradient": stayed, "unmoved": [], **hashes}


@pytest.fixture
def card() -> Card:
    proof = {"vision": row("full", 18), "projector": row("frozen", 0), "language": row("adapter", 7)}
    labels = {"name": "paper8", "version": 2, "labels": ["blur", "a|b", "<b>noise</b>"]}
    record = {"name": "mine", "hash": HASH, "label_map": labels, "images": {"train": 1200}, "corpora": []}
    return Card(
        subject="Qwen/Qwen2.5-VL-3B-Instruct",
        revision="main",
        arm="vision+language",
        dataset=record,
        templates={"train-1": "What is wrong?\nName <one> of *these*: a|b."},
        settings={**TuneConfig().model_dump(mode="json"), "constraints": {"alignment": 0.3, "contrast": 0.0}},
        seed=7,
        proof={"components": proof},
        results=[Result("held-out templates", Number(0.5, 0.4, 0.6))],
        side_effects=pd.DataFrame(
            [["all", 0.9, 0.8, 1.0, 0.02, 0.01, 0.04]],
            columns=["prompt", "agreement", "agreement_low", "agreement_high", "kl", "kl_low", "kl_high"],
        ),
    )


def written(card: Card, folder: Path) -> Any:
    write_card(card, folder)
    return ModelCard.load(folder / "README.md")


def test_the_hubs_library_reads_it(card: Card, tmp_path: Path) -> None:
    data = written(card, tmp_path).data
    assert data.base_model == "Qwen/Qwen2.5-VL-3B-Instruct"
    assert data.to_dict()["base_model_relation"] == "finetune"
    assert (data.library_name, data.pipeline_tag) == ("transformers", "image-text-to-text")
    assert "eyechart" in data.tags
    assert data.model_name == "Qwen2.5-VL-3B-Instruct-eyechart-vision+language"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.5, "mine")
    assert result.dataset_revision == HASH


def test_front_matter_is_what_the_hub_asks_for(card: Card, tmp_path: Path) -> None:
    """The hub refuses a card whose model-index lacks a part, or whose other licence has no name."""
    write_card(card, tmp_path)
    _, head, body = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    found = yaml.safe_load(head)
    assert found["license"] == "other"
    assert found["license_name"]
    for index in found["model-index"]:
        assert index["name"]
        for result in index["results"]:
            assert {"type"} <= set(result["task"])
            assert {"type", "name"} <= set(result["dataset"])
            assert all({"type", "value"} <= set(metric) for metric in result["metrics"])
    assert "---\n" not in re.sub(r"^\|.*$", "", body, flags=re.M)


def test_it_tells_everything(card: Card, tmp_path: Path) -> None:
    text = written(card, tmp_path).text
    for told in (
        *(HASH, "paper8, version 2", "1200 pictures", "vision+language", "Seed 7", "revision main"),
        *("alignment (weight 0.3)", "vision trained in full", "projector frozen"),
        *("language trained by LoRA, merged", "18 of 20", "0.018", HASH[:16], HASH[::-1][:16]),
        *("50.0\u00a0%", "40.0 to 60.0", "0.020", "post\\_layernorm.weight", "learning\\_rates.vision"),
    ):
        assert told in text, told
    assert "contrast (weight" not in text


def test_everything_is_shown_as_it_is(card: Card, tmp_path: Path) -> None:
    text = written(card, tmp_path).text
    assert "<b>" not in text
    assert "&lt;b&gt;noise&lt;/b&gt;" in text
    assert "> What is wrong?  \n> Name &lt;one&gt; of \\*these\\*: a\\|b.  " in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", line)) for line in tables]
    assert set(cells) == {3, 4, 6, 7}  # settings, accuracies, side effects, proof


def test_no_folder_of_this_machine_is_in_it(card: Card, tmp_path: Path) -> None:
    base = tmp_path / "deep" / "my model"
    base.mkdir(parents=True)
    (base / "config.json").write_text("{}")
    settings = {**card.settings, "deepspeed": str(tmp_path / "zero3.json"), "other": "C:\\Users\\me\\x.json"}
    found = written(replace(card, subject=str(base), settings=settings), tmp_path)
    whole = str(found)
    assert str(tmp_path) not in whole
    assert "Users" not in whole
    assert "zero3.json" in whole
    assert "The model in the folder my model" in whole
    assert found.data.base_model is None


def test_the_built_in_subject_and_no_results(card: Card, tmp_path: Path) -> None:
    found = written(replace(card, subject="nano", results=(), side_effects=None), tmp_path)
    assert found.data.base_model is None
    assert found.data.eval_results is None
    assert "Eyechart's built-in subject" in found.text
    assert "Not examined yet." in found.text


def test_terms_of_pictures_that_may_not_be_given_on_are_told(card: Card, tmp_path: Path) -> None:
    corpus = {"title": "Corpus X", "licence": {"redistribute": False}}
    closed = replace(card, dataset={**card.dataset, "corpora": [corpus]})
    assert "Corpus X, whose terms do not allow" in written(closed, tmp_path).text
    assert "whose terms" not in written(card, tmp_path).text
