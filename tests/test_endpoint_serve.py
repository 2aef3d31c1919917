"""An endpoint is examined as the open model behind it: ``transformers serve`` on loopback."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import pytest
import tiny

from eyechart.dataset import DatasetConfig, build_dataset
from eyechart.remote import endpoint_run
from eyechart.runs import Run
from eyechart.subjects.endpoint import EndpointConfig
from eyechart.subjects.model import ModelSubject


@pytest.fixture(scope="module")
def served(internvl: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the name of an endpoint that serves the tiny InternVL."""
    from transformers.cli.serve import Serve

    folder = tmp_path_factory.mktemp("served") / "tiny-internvl"
    internvl.model.save_pretrained(folder)
    internvl.processor.save_pretrained(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Serve(
        force_model=str(folder),
        host="127.0.0.1",
        port=port,
        device="cpu",
        log_level="error",
        non_blocking=True,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1#{folder}"
    finally:
        server.kill_server()


def _wait(url: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except URLError:
            time.sleep(0.05)
    raise TimeoutError(url)


def test_an_endpoint_answers_as_its_model(
    served: str, internvl: ModelSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = DatasetConfig(crop=112, test_contents=2, clean_per_content=1, train_images=32, levels=(5,))
    dataset = build_dataset(config, tmp_path / "datasets")
    settings = EndpointConfig(max_tokens=16, concurrency=2)  # as many as the exam allows
    told: list[str] = []
    endpoint_run(served, dataset.path, tmp_path / "run", config=settings, seed=0, say=told.append)
    there = Run(tmp_path / "run").read_table("arms/base/answers")
    here = tiny.examine(internvl, dataset.table("test"), dataset.images("test"), dataset.labels)
    here = here.query("readout == 'generate'")
    by = ["image_id", "template"]
    both = there.merge(here, on=by, suffixes=("_there", "_here"))
    assert len(both) == len(there) == len(here)
    assert both["text_there"].nunique() > 10  # the tiny model's texts depend on the image
    assert both["text_there"].tolist() == both["text_here"].tolist()
    assert any(line.startswith("tokens: ") for line in told)
    assert any(line.endswith("without a key") for line in told)
