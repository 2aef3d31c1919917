"""The page of an endpoint's exam: what it took is told, what cannot be had is not asked for."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from run_fixture import HOSTILE, make_run

from eyechart.exam.account import facts
from eyechart.report import build_report
from eyechart.runs import Run

ACCOUNT: dict[str, Any] = {
    "model": f"m {HOSTILE[0]}",
    "models_told": [f"served {HOSTILE[1]}"],
    "answered": 1234,
    "set_aside": 3,
    "cut": 2,
    "empty": 1,
    "with_first_tokens": 0,
    "choices": False,
    "settings_refused": ["seed"],
    "tokens_in": 123_400,
    "tokens_out": 2468,
    "cost": 0.33318,
    "config": {"max_tokens": 64, "price_in": 2.5, "price_out": 10.0},
}


class Page(HTMLParser):
    """What of a page matters here: its tags with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {f"{name}={value}" if name == "id" else name for name, value in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def run_of(path: Path, **config: Any) -> Run:
    """Return a run that holds answers alone."""
    run = make_run(path, arms=("base",), inside=False, contents=3)
    for name in ("fidelity.csv", "pixel_path.json", "arms/base/content.parquet"):
        (path / name).unlink()
    (path / "config.yaml").write_text(yaml.safe_dump(run.config | config))
    return run


def test_the_page_tells_what_an_endpoint_took(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", subject="http://localhost:8000/v1#m")
    run.write_json(ACCOUNT, "arms/base/endpoint.json")
    page = Page(build_report(run.path).read_text(encoding="utf-8"))
    for told in (
        "m <script>alert(1)</script> was asked; the replies say served",
        "1,234 answered, 3 set aside",
        "2 cut off at 64 tokens, 1 empty",
        "none, as the endpoint tells no log-probabilities",
        "seed; asked without",
        "123,400 in, 2,468 out",
        "0.3332 in the currency of the prices, 2.5 and 10 per million tokens",
    ):
        assert told in page.text, told
    assert page.tags.count("script") == 1  # its own
    assert "onerror" not in page.attributes


@pytest.mark.parametrize(
    ("config", "pixels"),
    [
        (
            {"subject": "http://localhost:8000/v1#m"},
            "sent without loss, as PNG in its own size",
        ),
        ({"subject": "clip:openai/clip-vit-base-patch32"}, None),
        (
            {"subject": "answers.csv", "answers": "digest"},
            "what the model saw of each image, and of its distortion",
        ),
    ],
)
def test_what_cannot_be_had_is_not_asked_for(
    tmp_path: Path, config: dict[str, str], pixels: str | None
) -> None:
    page = Page(build_report(run_of(tmp_path / "run", **config).path).read_text(encoding="utf-8"))
    assert not {f"id={name}" for name in ("distance", "ladder", "content", "tuning")} & page.attributes
    assert ("id=fidelity" in page.attributes) == (pixels is not None)
    if pixels is not None:
        assert pixels in page.text
        assert "eyechart subjects fidelity MODEL" in page.text
    assert "id=endpoint" not in page.attributes  # no account, no section
    assert page.text.count("Cannot be told") == 2
    assert "eyechart inside" not in page.text
    assert "Not examined yet" not in page.text


def test_an_open_model_is_told_what_is_missing(tmp_path: Path) -> None:
    page = Page(build_report(run_of(tmp_path / "run").path).read_text(encoding="utf-8"))
    assert {"id=fidelity", "id=ladder", "id=tuning"} <= page.attributes
    assert "There are no audits of the pixel path yet" in page.text
    assert "eyechart subjects fidelity" not in page.text
    assert "eyechart inside SUBJECT DATASET" in page.text
    assert "Cannot be told" not in page.text


@pytest.mark.parametrize(
    ("changed", "name", "told"),
    [
        ({"models_told": [ACCOUNT["model"]]}, "model", "as the replies say too"),
        ({"models_told": []}, "model", "do not say which model answered"),
        ({"models_told": ["a", "b"]}, "model", "the replies came from several: a, b"),
        ({"choices": True}, "choices", "by the log-probability of each label's first token"),
        ({"with_first_tokens": 9}, "choices", "none, as the likeliest first tokens do not tell every label"),
        ({"settings_refused": []}, "settings refused", "none"),
        ({"tokens_out": None}, "tokens", "not told by the endpoint"),
        ({"cost": None}, "cost", "unknown, as not every answer came with its tokens"),
        (
            {"cost": None, "config": {**ACCOUNT["config"], "price_in": None}},
            "cost",
            "unknown without prices (--price-in, --price-out)",
        ),
    ],
)
def test_every_fact_has_its_words(changed: dict[str, Any], name: str, told: str) -> None:
    assert told in facts({**ACCOUNT, **changed})[name]
