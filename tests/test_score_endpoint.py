"""Scores of an endpoint: numbers and levels that it writes, likelihoods where it tells them, else words."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import completion, send, serving
from typer.testing import CliRunner

import eyechart as ec
from eyechart.cli.main import build
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.runs import Run

WORDS = ("excellent", "good", "fair", "poor", "bad")
CONFIG = ec.ScoreConfig(templates=("level-list", "number-five"), images=6)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig(crop=48, test_contents=2, clean_per_content=1, train_images=8, levels=(5,))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


def scored(url: str, dataset: Dataset, out: Path) -> Run:
    sent, quiet = ec.EndpointConfig(retries=0, timeout=5), list[str]().append
    ec.endpoint_score_run(f"{url}#m", dataset.path, out, seed=0, config=CONFIG, endpoint=sent, say=quiet)
    return Run(out)


def asked_for_a_number(body: dict[str, Any]) -> bool:
    return "number alone" in str(body["messages"])


def test_texts_count_and_are_not_asked_for_again(dataset: Dataset, tmp_path: Path) -> None:
    def say(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        send(handler, 200, completion("4.5" if asked_for_a_number(body) else "It is good."))

    with serving(say) as server:
        run = scored(server.url, dataset, tmp_path / "run")
        before = len(server.bodies)
        scored(server.url, dataset, tmp_path / "run")
        assert len(server.bodies) == before == 12
    table = run.read_table("arms/base/scores")
    assert set(table["readout"]) == {"text"}
    values = table.groupby("template")["value"].unique().map(list).to_dict()
    assert values == {"level-list": [4.0], "number-five": [4.5]}


def test_likelihoods_count_where_every_answer_tells_them(dataset: Dataset, tmp_path: Path) -> None:
    logp = np.log([0.1, 0.4, 0.3, 0.15, 0.05])
    first = [{"token": f" {word}", "logprob": float(p)} for word, p in zip(WORDS, logp, strict=True)]

    def say(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        told = completion("3" if asked_for_a_number(body) else "Good")
        if not asked_for_a_number(body):
            told["choices"][0]["logprobs"] = {"content": [{"token": " good", "top_logprobs": first}]}
        send(handler, 200, told)

    with serving(say) as server:
        table = scored(server.url, dataset, tmp_path / "run").read_table("arms/base/scores")
    levels = table[table["readout"] == "levels"]
    assert set(levels["template"]) == {"level-list"}
    np.testing.assert_allclose(levels["value"], np.exp(logp) @ [5, 4, 3, 2, 1])


def test_an_endpoint_without_any_score_is_refused_in_words(dataset: Dataset, tmp_path: Path) -> None:
    def say(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        send(handler, 200, completion("A lovely picture of a boat."))

    with serving(say) as server, pytest.raises(EyechartError, match="said no score"):
        scored(server.url, dataset, tmp_path / "run")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["http://localhost:1/v1#m", "--repeats", "2"], "--repeats is for models that are loaded here only"),
        (["nano", "--max-tokens", "5"], "--max-tokens is for endpoints only"),
        (["nano", "--max-new-tokens", "0"], "--max-new-tokens"),
        (["clip:openai/clip", "--images", "3"], "a clip: model"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(given: list[str], told: str, dataset: Dataset) -> None:
    command = ["score", given[0], str(dataset.path), "--out", "nowhere", *given[1:]]
    found = CliRunner().invoke(build(), command)
    assert found.exit_code == 2
    assert told in found.output
