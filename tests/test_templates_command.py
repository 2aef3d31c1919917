"""``eyechart templates``: what it prints is what a subject receives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.templates import load_templates, questions, set_names

ENDPOINT = "http://localhost:8000/v1#some-model"


def run(*words: str) -> Any:
    return CliRunner().invoke(build(), ["templates", *words])


def printed(*words: str) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_list_names_every_template_once() -> None:
    lines = printed("list").splitlines()
    assert lines[0].split() == ["id", "set", "kind", "language", "split", "source"]
    assert [line.split()[0] for line in lines[1:]] == [t.id for t in load_templates(set_names())]
    assert len(printed("list", "paper", "zh-open").splitlines()) == 1 + 4


def test_show_prints_the_wording_in_the_order_that_is_wanted() -> None:
    told = printed("show", "letters-what", "--labels", "blur,noise,clean", "--order", "1")
    (_, asked) = questions(load_templates("letters-what"), ["blur", "noise", "clean"], orders=2)
    assert f"--- question\n{asked.text}\n" in told
    assert told.rstrip().endswith("blur: C\nnoise: A\nclean: B")


def test_show_asks_about_each_label_or_one() -> None:
    assert printed("show", "yes-no-is-there").count("--- question about") == 8
    one = printed("show", "yes-no-is-there", "--about", "noise")
    assert one.count("---") == 2
    assert "Is there noise in this image?" in one


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["no-such"], "no template and no set"),
        (["own", "--about", "fog"], "'fog' is no label"),
        (["own", "--order", "8"], "9 orders of 8 labels"),
        (["zh-open", "--labels", "fine"], "has no word in the language 'zh'"),
        (["own", "--size", "big"], "'big' is no size"),
        (["own", "--subject", "clip:some"], "is asked nothing"),
    ],
)
def test_mistakes_are_told(words: list[str], complaint: str) -> None:
    result = run("show", *words)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_an_endpoint_is_shown_the_messages_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-of-many-characters")
    told = printed("show", "zh-open", "--subject", ENDPOINT)
    assert "a-secret" not in told
    (turn,) = json.loads(told.split("is sent\n")[1])
    picture, text = turn["content"]
    assert picture["image_url"]["url"] == "data:image/png;base64,<the image>"
    assert text == {"type": "text", "text": load_templates("zh-open")[0].text}


def test_a_model_is_shown_its_exact_string_and_tokens(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import tiny

    subject = tiny.llava()
    subject.model.save_pretrained(tmp_path)
    subject.processor.save_pretrained(tmp_path)
    told = printed(
        "show", "word-list", "--labels", "blur,noise", "--subject", str(tmp_path), "--size", "56x56"
    )
    asked = "Which word fits this image best: blur, noise?"
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": asked}]}]
    text = subject.processor.apply_chat_template(turns, add_generation_prompt=True)
    assert f"56 x 56 pixels\n{text}\n---" in told
    image = np.zeros((56, 56, 3), np.uint8)
    ids = subject.processor(text=text, images=[image])["input_ids"][0]
    assert _ids(told) == list(ids)
    answer = subject.processor.tokenizer(" blur")["input_ids"]
    line = next(line for line in told.splitlines() if re.match(r"blur: \d", line))
    assert [int(found) for found in re.findall(r"(\d+) '", line)][: len(answer)] == list(answer)
    assert line.endswith(f"'{tiny.END}'")


def _ids(told: str) -> list[int]:
    """Return the token ids of a printed prompt, a run of image tokens written out."""
    ids: list[int] = []
    for position, token, times in re.findall(r"^ *(\d+) +(\d+)  '.*?'(?: x (\d+))?$", told, re.MULTILINE):
        assert int(position) == len(ids)
        ids += [int(token)] * int(times or 1)
    return ids
