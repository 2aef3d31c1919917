"""A study's configuration: defaults, file, command line; mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from eyechart.configuration import study_config
from eyechart.errors import EyechartError
from eyechart.study import StudyConfig


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def test_defaults_are_the_study() -> None:
    assert study_config(None) == StudyConfig()


def test_quick_is_smaller() -> None:
    quick, full = study_config(None, quick=True), StudyConfig()
    assert quick == StudyConfig.quick()
    assert set(quick.arms) < set(full.arms)
    assert quick.dataset.train_images < full.dataset.train_images
    assert quick.tune.steps < full.tune.steps


def test_command_line_goes_over_file_over_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "seed: 5\ntune: {steps: 7, batch: 3}\n")
    config = study_config(path, changes={"tune": {"steps": 9}}, photos=tmp_path)
    assert (config.seed, config.tune.steps, config.tune.batch) == (5, 9, 3)
    assert config.tune.constraints == StudyConfig().tune.constraints
    assert config.dataset.photos == tmp_path
    assert config.dataset.seed == 5  # one seed for the whole study


def test_configuration_can_be_written_and_read_again(tmp_path: Path) -> None:
    import yaml

    config = study_config(None, quick=True, changes={"seed": 3})
    path = written(tmp_path, yaml.safe_dump(config.model_dump(mode="json")))
    assert study_config(path) == config


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sede: 1", "there is no setting sede; did you mean seed"),
        ("tune: {lora_rnak: 4}", "there is no setting tune.lora_rnak; did you mean lora_rank"),
        ("zzzzzz: 1", "there is no setting zzzzzz$"),
        ("tune: {steps: -3}", r"the setting tune.steps is wrong: .*got -3"),
        ("seed: many", r"the setting seed is wrong: .*got 'many'"),
        ("exam: {batch: 0}", r"the setting exam.batch is wrong: .*got 0"),
        ("dataset: 5", r"the setting dataset is wrong: .*got 5"),
        ("- seed", "is no mapping"),
        ("seed: [1", "cannot read the configuration"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(EyechartError) as caught:
        study_config(written(tmp_path, text))
    assert re.search(told, caught.value.what.splitlines()[0])


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EyechartError, match=r"cannot read the configuration .*absent\.yaml"):
        study_config(tmp_path / "absent.yaml")


@pytest.mark.parametrize("changes", [{"steps": 1}, {"tune": {"step": 1}}])
def test_unknown_settings_of_the_command_line_are_named(changes: dict[str, Any]) -> None:
    with pytest.raises(EyechartError, match="there is no setting"):
        study_config(None, changes=changes)


def test_the_command_line_changes_only_what_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from eyechart.cli.study import study

    ran: list[StudyConfig] = []
    monkeypatch.setattr("eyechart.study.run_study", lambda config, *_, **__: ran.append(config))
    path = written(tmp_path, "seed: 5\nsubject: owner/model\narms: [base, language]\n")
    study(out=tmp_path / "run", config=path)
    study(out=tmp_path / "run", config=path, seed=0, arms="base,all")
    assert [(c.seed, c.subject, c.arms) for c in ran] == [
        (5, "owner/model", ("base", "language")),
        (0, "owner/model", ("base", "all")),
    ]
