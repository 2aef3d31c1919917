"""Models without a chat template (BLIP-2, InstructBLIP) are asked with one that the user gives."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
import tiny_families  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.loading import load_subject  # noqa: E402
from eyechart.subjects.options import LoadOptions  # noqa: E402

QUERIES = 32  # visual tokens of both families' default configuration
QUESTION, SIZE = "What is the main distortion of this image?", (112, 112)
# As the BLIP-2 paper asks (arXiv 2301.12597, section 4.2); the processor itself puts the image in front.
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'text' %}"
    "{{ 'Question: ' + part['text'] + ' Answer:' if message['role'] == 'user' else ' ' + part['text'] + '"
    + tiny.END
    + "' }}{% endif %}{% endfor %}{% endfor %}"
)


def save(model_type: str, folder: Path) -> Path:
    """Save a tiny model with the real processor of its family, which has no chat template."""
    from transformers import Blip2Processor, BlipImageProcessorPil, InstructBlipProcessor

    images = BlipImageProcessorPil(size={"height": tiny_families.SIDE, "width": tiny_families.SIDE})
    text, former = copy.deepcopy(tiny.tokenizer()), copy.deepcopy(tiny.tokenizer())
    if model_type == "blip-2":
        processor: Any = Blip2Processor(images, text, num_query_tokens=QUERIES)
    else:
        processor = InstructBlipProcessor(images, text, former, num_query_tokens=QUERIES)
    model = tiny_families.build(model_type)
    model.config.image_token_id = model.config.image_token_index = text.convert_tokens_to_ids("<image>")
    model.generation_config.eos_token_id = text.eos_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["blip-2", "instructblip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "blip.jinja").write_text(TEMPLATE)
    return tmp_path / "blip.jinja"


def test_without_a_template_the_remedy_is_named(folder: Path) -> None:
    with pytest.raises(EyechartError, match="it has no chat template") as raised:
        load_subject(str(folder))
    assert "--chat-template FILE" in raised.value.remedy


@pytest.mark.filterwarnings("ignore")
def test_with_a_template_it_is_a_subject(folder: Path, template: Path, fp32: None) -> None:
    subject = load_subject(str(folder), LoadOptions(chat_template=str(template)))
    assert subject.conversation(QUESTION) == f"Question: {QUESTION} Answer:"
    prompt = subject.prompt(QUESTION, SIZE)
    assert prompt.image_positions == tuple(range(QUERIES))
    answer = subject.answer_ids(QUESTION, "blur", SIZE)
    assert subject.processor.tokenizer.decode(answer) == f" blur{tiny.END}"
    shown = tiny.images(2)
    tokens = subject.visual_tokens(shown)
    assert [tuple(one.shape) for one in tokens] == [(QUERIES, 64)] * 2
    assert not torch.equal(tokens[0], tokens[1])
    assert subject.choose(shown, QUESTION, tiny.LABELS).shape == (2, len(tiny.LABELS))
    assert len(subject.generate(shown, QUESTION, new_tokens=3)) == 2


def test_what_is_kept_is_the_template_itself(template: Path) -> None:
    options = LoadOptions(chat_template=str(template))
    assert options.changed() == {"chat_template": TEMPLATE}
    template.unlink()
    assert LoadOptions(**options.changed()) == options


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{% for message in messages %}", "no Jinja template: "),
        ("{{ raise_exception('no images here') }}", "no Jinja template: no images here"),
        ("USER: hello {{ bos_token }}", "does not write the texts of a question and an answer"),
        (
            "{% for message in messages %}{{ message['content'] }}{% endfor %}",
            "does not write the texts of a question and an answer",
        ),
    ],
)
def test_a_template_that_cannot_ask_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "wrong.jinja").write_text(text)
    tiny.llava().model.save_pretrained(tmp_path)
    tiny.llava().processor.save_pretrained(tmp_path)
    with pytest.raises(EyechartError, match=told) as raised:
        load_subject(str(tmp_path), LoadOptions(chat_template=str(tmp_path / "wrong.jinja")))
    assert "part['type'] == 'text'" in raised.value.remedy


def test_a_file_that_is_not_there_is_told_on_the_command_line(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.jinja")
    result = CliRunner().invoke(build(), ["subjects", "check", "nano", "--chat-template", gone])
    assert result.exit_code == 2
    assert "cannot be read" in result.output
