"""An endpoint's exam in a run folder: asked once, resumed, counted, charged for, and without its key."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hostile import Server, completion, send, serving
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.exam.journal import opened
from eyechart.exam.remote import ask_endpoint, every_question, graded, questions_of
from eyechart.remote import endpoint_run
from eyechart.runs import Run
from eyechart.subjects.address import read_address
from eyechart.subjects.endpoint import Endpoint, EndpointConfig
from eyechart.subjects.images import data_url
from eyechart.subjects.reply import Answer
from eyechart.templates import load_templates

KEY = "sk-a-secret-that-must-not-be-told"
TEMPLATES = load_templates()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig(crop=48, test_contents=2, clean_per_content=1, train_images=32, levels=(5,))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


def examine(server: Server, dataset: Dataset, out: Path, **settings: Any) -> tuple[Run, list[str]]:
    told: list[str] = []
    config = EndpointConfig(**{"retries": 0, "timeout": 5, **settings})
    endpoint_run(f"{server.url}#m", dataset.path, out, config=config, seed=0, say=told.append)
    return Run(out), told


def well(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
    send(handler, 200, completion("It is noise."))


def test_an_exam_becomes_a_report(tmp_path: Path, dataset: Dataset) -> None:
    def slowly(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        time.sleep(0.01)
        if "seed" in body:
            send(handler, 400, {"error": {"message": "Unsupported parameter: seed", "param": "seed"}})
            return
        said = f"It is noise. <script>alert(1)</script> {handler.headers['Authorization']}"
        send(handler, 200, completion(said))

    with serving(slowly) as server:
        run, told = examine(server, dataset, tmp_path / "run", concurrency=3, price_in=2.5, price_out=10)
    table = dataset.table("test")
    asked = len(table) * len(TEMPLATES)
    assert len(set(server.asked())) == asked
    assert len(server.bodies) <= asked + 3  # the first three learn at once that there is no seed
    assert server.most == 3
    answers = run.read_table("arms/base/answers")
    assert answers["image_id"].tolist() == table["image_id"].tolist() * len(TEMPLATES)
    assert answers["correct"].sum() == (table["label"] == "noise").sum() * len(TEMPLATES) > 0
    kinds = answers.groupby("template", sort=False)["template_split"].first().to_dict()
    assert kinds == {template.id: template.split for template in TEMPLATES}
    prompts = run.read_table("arms/base/prompts.parquet")
    assert set(answers["prompt"]) == set(prompts["prompt"])
    assert set(prompts["text"]) == {template.question(dataset.labels) for template in TEMPLATES}
    account = run.read_json("arms/base/endpoint.json")
    assert (account["tokens_in"], account["tokens_out"]) == (100 * asked, 2 * asked)
    assert account["cost"] == pytest.approx((100 * asked * 2.5 + 2 * asked * 10) / 1e6)
    assert account["models_told"] == ["served-1"]
    assert set(server.keys) == {f"Bearer {KEY}"}
    assert account["settings_refused"] == ["seed"]
    assert any(line.startswith("settings refused: seed") for line in told)
    assert any("choices: none, as the endpoint tells no log-probabilities" in line for line in told)
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert f"{server.url}#m" in page
    assert "<script>alert" not in page
    leaks = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert leaks == []


def asked_of(server: Server, dataset: Dataset, path: Path, **settings: Any) -> pd.DataFrame:
    """Ask every question that the journal lacks; returns what was set aside."""
    endpoint = Endpoint(read_address(f"{server.url}#m"), KEY, EndpointConfig(retries=0, **settings))
    names = dataset.table("test")["image_id"].tolist()
    images = dict(zip(names, dataset.images("test"), strict=True))
    with opened(path) as journal:
        return ask_endpoint(
            endpoint, every_question(names, questions_of(TEMPLATES, dataset.labels)), images, journal
        )


def rows_of(path: Path) -> list[dict[str, Any]]:
    with opened(path) as journal:
        return journal.rows


def test_what_is_answered_is_never_asked_again(tmp_path: Path, dataset: Dataset) -> None:
    asked = len(dataset.table("test")) * len(TEMPLATES)
    failed = len(range(2, asked, 5))

    def failing(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        if number % 5 == 2 and number < asked:
            send(handler, 400, {"error": {"message": f"not this image {KEY}"}})
        else:
            well(handler, body, number)

    path = tmp_path / "answers.jsonl"
    with serving(failing) as server:
        aside = asked_of(server, dataset, path)
        assert aside["reason"].tolist() == ["status 400: not this image [the key]"] * failed
        assert len(rows_of(path)) == asked - failed
        assert asked_of(server, dataset, path).empty
        assert len(server.bodies) == asked + failed  # what failed is asked again, and nothing else
        assert asked_of(server, dataset, path).empty
        assert len(server.bodies) == asked + failed
    assert len({(row["image_id"], row["template"]) for row in rows_of(path)}) == len(rows_of(path)) == asked


def test_images_over_the_limit_are_set_aside_and_the_rest_is_asked(tmp_path: Path, dataset: Dataset) -> None:
    sizes = sorted(len(data_url(image)) for image in dataset.images("test"))
    limit = sizes[2] / 1e6
    with serving(well) as server:
        settings = {"max_image_mb": limit, "give_up_after": 1}
        aside = asked_of(server, dataset, tmp_path / "answers.jsonl", **settings)
    assert len(aside) == (len(sizes) - 3) * len(TEMPLATES)
    assert aside["reason"].str.startswith("not sent: ").all()
    assert max(len(url) for url, _ in server.asked()) == sizes[2]


def test_how_it_is_asked_may_change_and_what_may_not(tmp_path: Path, dataset: Dataset) -> None:
    with serving(lambda h, b, n: send(h, 401, "no")) as server:
        for tries in (1, 2):
            with pytest.raises(EyechartError, match="refuses the key"):
                examine(server, dataset, tmp_path / "run", retries=tries)
        with pytest.raises(EyechartError, match="max_tokens"):
            examine(server, dataset, tmp_path / "run", max_tokens=5)


def test_a_killed_run_asks_only_what_is_missing(tmp_path: Path, dataset: Dataset) -> None:
    enough = threading.Event()
    resumed = threading.Event()

    def stalling(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        if number >= 10 and not resumed.is_set():
            enough.set()
            time.sleep(2)
        else:
            well(handler, body, number)

    with serving(stalling) as server:
        program = [sys.executable, "-c", "from eyechart.cli.main import main; main()"]
        command = [*program, "exam", f"{server.url}#m", str(dataset.path)]
        command += ["--out", str(tmp_path / "run"), "--retries", "0", "--timeout", "5", "--concurrency", "2"]
        with subprocess.Popen(command) as process:
            assert enough.wait(60)
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
        journal = tmp_path / "run/arms/base/answers.jsonl"
        kept = len(journal.read_bytes().splitlines())
        assert kept == 10
        with journal.open("ab") as stream:
            stream.write(b'{"image_id": "cut off in the mid')
        resumed.set()
        before = len(server.bodies)
        run, told = examine(server, dataset, tmp_path / "run", concurrency=8)
    asked = len(dataset.table("test")) * len(TEMPLATES)
    assert f"{asked} questions, {kept} of them answered before" in told
    assert len(server.bodies) - before == asked - kept
    assert len(run.read_table("arms/base/answers")) == asked
    first, rest = server.asked()[:kept], server.asked()[before:]
    assert len({*first, *rest}) == asked


def test_an_endpoint_that_is_down_is_given_up(tmp_path: Path, dataset: Dataset) -> None:
    with serving(lambda h, b, n: well(h, b, n) if n < 3 else send(h, 500, "down")) as server:
        with pytest.raises(EyechartError, match="left 4 questions in a row unanswered; the last: status 500"):
            examine(server, dataset, tmp_path / "run", give_up_after=4, concurrency=1)
        assert len(server.bodies) <= 3 + 4 + 1
        assert len(rows_of(tmp_path / "run/arms/base/answers.jsonl")) == 3
    with (
        serving(lambda h, b, n: send(h, 500, "down")) as server,
        pytest.raises(EyechartError, match="none of"),
    ):
        examine(server, dataset, tmp_path / "none", give_up_after=1000)


@pytest.mark.parametrize("everywhere", [True, False])
def test_choices_only_if_first_tokens_tell_every_label_everywhere(
    tmp_path: Path, dataset: Dataset, everywhere: bool
) -> None:
    def scoring(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        first = {label: -float(i + 1) for i, label in enumerate(dataset.labels)}
        if number == 5 and not everywhere:
            del first["noise"]
        send(handler, 200, completion("noise", first))

    with serving(scoring) as server:
        asked_of(server, dataset, tmp_path / "answers.jsonl")
    with opened(tmp_path / "answers.jsonl") as journal:
        pass
    answers = graded(
        journal, dataset.table("test"), dataset.labels, questions_of(TEMPLATES, dataset.labels), "base"
    )
    choices = answers[answers["readout"] == "choose"]
    assert len(choices) == (len(answers) / 2 if everywhere else 0)
    assert set(choices["predicted"]) == ({dataset.labels[0]} if everywhere else set())
    assert set(answers[answers["readout"] == "generate"]["predicted"]) == {"noise"}


@given(kept=st.integers(0, 400))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(kept: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.jsonl"
        with opened(path) as journal:
            for i in range(3):
                journal.add(f"a/{i}", "t", Answer("naïve 😀", False, None, 1, 2, ((" b", -0.5),)))
        whole = path.read_bytes()
        path.write_bytes(whole[:kept])
        with opened(path) as journal:
            assert [row["image_id"] for row in journal.rows] == [
                f"a/{i}" for i in range(whole[:kept].count(b"\n"))
            ]
            journal.add("b", "t", Answer("", True, None, None, None, None))
        assert rows_of(path)[-1]["image_id"] == "b"


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"image_id": "a"}\n')
    with pytest.raises(EyechartError, match=r"line 1 of .*answers\.jsonl is damaged"):
        rows_of(tmp_path / "answers.jsonl")


def test_two_processes_do_not_ask_the_same(tmp_path: Path) -> None:
    with opened(tmp_path / "a.jsonl"), pytest.raises(EyechartError, match="another process is writing"):
        rows_of(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["http://h/v1#m", "--timeout", "0"], "--timeout: Input should be greater than 0"),
        (["http://h/v1#m", "--key-env", KEY], "takes a variable's name, not the key"),
        (["nano", "--max-tokens", "9"], "--max-tokens is for endpoints only"),
        (["http://h/v1"], "lacks a host, or the name of a model"),
    ],
)
def test_mistakes_on_the_command_line_are_told(arguments: list[str], told: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(build(), ["exam", *arguments, str(tmp_path), "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert told in result.output
    assert KEY not in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", [["inside"], ["tune", "--train", "projector"]])
def test_an_endpoint_has_no_inside(command: list[str], tmp_path: Path) -> None:
    given = [*command, "http://h/v1#m", str(tmp_path), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(build(), given)
    assert result.exit_code == 2
    assert "an endpoint gives text only" in result.output
    assert not (tmp_path / "run").exists()
