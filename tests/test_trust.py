"""A map of components that no test has proved is proved before it is used, or refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from eyechart.cli.main import build  # noqa: E402
from eyechart.configuration import study_config  # noqa: E402
from eyechart.errors import EyechartError  # noqa: E402
from eyechart.runs import Run  # noqa: E402
from eyechart.subjects import components, trust  # noqa: E402
from eyechart.subjects.components import assign_groups, assigned  # noqa: E402
from eyechart.subjects.loading import load_subject, skeleton  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.options import LoadOptions  # noqa: E402
from eyechart.subjects.trust import require_proof  # noqa: E402
from eyechart.tune.arms import arm as arm_of  # noqa: E402
from eyechart.tune.config import TuneConfig  # noqa: E402
from eyechart.tune.train import tune  # noqa: E402

LAYER = "model.language_model.layers.0"


@pytest.fixture
def subject(monkeypatch: pytest.MonkeyPatch) -> ModelSubject:
    monkeypatch.setattr(trust, "_held", set())
    return tiny.llava()


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (components, trust):
        monkeypatch.setattr(module, "families", dict)


@pytest.fixture
def passes(subject: ModelSubject) -> list[int]:
    """Count the passes of the language model."""
    counted: list[int] = []
    subject.model.get_decoder().register_forward_hook(lambda *_: counted.append(1))
    return counted


def test_a_proved_family_does_not_pay(subject: ModelSubject, passes: list[int]) -> None:
    subject.components()
    assert passes == []


@pytest.mark.usefixtures("unlisted")
def test_an_unlisted_type_is_proved_once(
    subject: ModelSubject, passes: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    subject.components()
    assert passes
    count, told = len(passes), capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "proved now, as the type llava is not listed" in told[0]
    subject.components()
    assert len(passes) == count
    assert capsys.readouterr().err == ""


def test_a_map_that_fails_is_refused_where_components_are_used(subject: ModelSubject) -> None:
    assign_groups(subject.model, {LAYER: "projector"})
    lesson: Any = None
    for use in (
        subject.components,
        lambda: subject.stage(tiny.images(1), "encoder output"),
        lambda: tune(subject, arm_of("language"), lesson, TuneConfig(), seed=0),
    ):
        with pytest.raises(EyechartError, match="does not hold that changing projector") as refused:
            use()
        assert "--assign NAME=COMPONENT" in refused.value.remedy
    assert subject.choose(tiny.images(1), "What?", ["blur"]).shape == (1, 1)  # which needs no components


def test_what_cannot_be_computed_is_no_traceback(subject: ModelSubject) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("another shape")

    assign_groups(subject.model, {"model.multi_modal_projector": "projector"})
    subject.model.model.multi_modal_projector.forward = broken
    with pytest.raises(EyechartError, match="cannot be proved: RuntimeError: another shape"):
        require_proof(subject)


def test_a_component_that_was_given_away_cannot_be_tuned(
    subject: ModelSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eyechart.tune.train.require_proof", lambda _: None)
    assign_groups(subject.model, {"model.multi_modal_projector": "vision"})
    lesson: Any = None
    with pytest.raises(EyechartError, match=r"projector of .* has no parameter"):
        tune(subject, arm_of("projector"), lesson, TuneConfig(), seed=0)


def test_a_load_option_reaches_every_model(tmp_path: Path) -> None:
    saved = tiny.llava()
    saved.model.save_pretrained(tmp_path)
    saved.processor.save_pretrained(tmp_path)
    group, options = "model.multi_modal_projector.linear_2", LoadOptions(assign=(f"{LAYER}=other",))
    loaded = load_subject(str(tmp_path), options)
    for model in (loaded.model, skeleton(str(tmp_path), options), copy.deepcopy(loaded.model)):
        assert assigned(model) == {LAYER: "other"}
        assert any(name.startswith(LAYER) for name in components.components(model)["other"])
    loaded.model.save_pretrained(tmp_path)  # what a checkpoint was loaded with does not bind the next
    assert assigned(load_subject(str(tmp_path)).model) == {}
    with pytest.raises(EyechartError, match="no group and no module 'merger'"):
        load_subject(str(tmp_path), LoadOptions(assign=("merger=vision",)))
    told = CliRunner().invoke(build(), ["subjects", "memory", str(tmp_path), "--assign", f"{LAYER}=other"])
    assert told.output.splitlines()[3].startswith("other")
    two = ["--assign", f"{LAYER}=other", "--assign", f"{group}=language"]
    more = CliRunner().invoke(build(), ["subjects", "memory", str(tmp_path), *two])
    assert more.output.splitlines()[1] != told.output.splitlines()[1]


def test_an_assignment_is_part_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("load:\n  assign: [merger=vision]\n", encoding="utf-8")
    config, plain = study_config(tmp_path / "study.yaml"), study_config(None)
    assert config.load.assigned() == {"merger": "vision"}
    assert study_config(None, changes={"load": config.load.changed()}).load == config.load
    Run.create(tmp_path / "run", config.model_dump(mode="json"))
    Run.create(tmp_path / "run", config.model_dump(mode="json"))
    with pytest.raises(EyechartError, match=r"load\.assign"):
        Run.create(tmp_path / "run", plain.model_dump(mode="json"))
    with pytest.raises(EyechartError, match="GROUP=COMPONENT"):
        LoadOptions(assign=("merger",))
