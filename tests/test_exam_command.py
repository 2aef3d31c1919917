"""What cannot be asked is told before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.exam import ExamConfig
from eyechart.settings import names_of
from eyechart.study import StudyConfig
from eyechart.subjects.loading import subject_folder
from eyechart.taxonomy import load_label_map
from eyechart.templates import load_templates, questions, set_names


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig(crop=48, test_contents=2, clean_per_content=1, train_images=32, levels=(5,))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nano", "--readouts", "choose,guess"], "--readouts: Input should be 'choose', 'generate' or"),
        (["nano", "--orders", "0"], "--orders: Input should be greater than 0"),
        (["nano", "--temperature", "0"], "--temperature: Input should be greater than 0"),
        (["nano", "--max-new-tokens", "0"], "--max-new-tokens: Input should be greater than 0"),
        (["nano", "--templates", "exam,paperr"], "did you mean paper"),
        (["nano", "--templates", "exam, paperr"], "of templates 'paperr'"),
        (["nano", "--readouts", "choose, guess"], "--readouts: Input should be 'choose', 'generate' or"),
        (["nano", "--templates", "absent.yaml"], "absent.yaml"),
        (["http://h/v1#m", "--repeats", "2"], "--repeats is for models that are loaded here"),
        (["http://h/v1#m", "--max-new-tokens", "2"], "--max-new-tokens is for models that are loaded here"),
        (["http://h/v1#m", "--templates", "yes-no-is-there"], "an endpoint does not tell"),
        (["clip:x", "--templates", "paper"], "--templates is for models that are asked"),
    ],
)
def test_mistakes_are_told(arguments: list[str], told: str, dataset: Dataset, tmp_path: Path) -> None:
    given = ["exam", *arguments, str(dataset.path), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(build(), given)
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())
    assert not (tmp_path / "run").exists()


def test_blanks_around_names_do_not_matter() -> None:
    assert names_of("exam, own") == ["exam", "own"]
    assert names_of(None) is None


def test_a_text_may_be_as_long_as_the_answers_that_are_asked_for() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(subject_folder("nano"))

    def tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    labels = load_label_map("paper8").labels
    asked = [questions([template], labels)[0] for template in load_templates(set_names())]
    longest = {question.template.id: max(map(tokens, question.candidates)) for question in asked}
    cut = {name for name, count in longest.items() if count > ExamConfig().new_tokens}
    assert cut <= {"ja-json"}  # characters of Japanese are up to three tokens each for this tokenizer
    assert StudyConfig().exam.new_tokens == 6  # of which the published figures are


def test_several_processes_do_not_share_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(build(), ["study", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "runs in one process" in result.output
    assert not (tmp_path / "run").exists()
