"""The look inside: what it looks at, in which order, what it refuses to mix, and what it leaves in a run."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.errors import EyechartError
from eyechart.inside import STEPS, InsideConfig, Look, look_inside, steps_of
from eyechart.inside.choice import looked_at, template_of
from eyechart.inside.identity import weights_hash
from eyechart.inside.look import Step
from eyechart.runs import Run
from eyechart.single import exam_run, inside_run
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import PROJECTED
from eyechart.templates import load_templates

TOLD: list[str] = []
HELD_OUT = next(template.id for template in load_templates() if template.split == "held-out")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a small dataset."""
    config = DatasetConfig(name="tiny", train_images=32, test_contents=3, levels=(5,))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return an empty run."""
    return Run.create(tmp_path / "run", {"subject": "tiny"})


def look(run: Run, subject: ModelSubject, dataset: Dataset, arm: str = "base", **settings: Any) -> Look:
    """Return the look at few images."""
    config = InsideConfig(**{"images": 10, "train_images": 8, "every": 1, "components": 4} | settings)
    return Look.of(run, arm, subject, dataset, config, seed=0, say=TOLD.append)


@pytest.fixture
def made_steps() -> Iterator[list[str]]:
    """Put steps of little weight in the place of all; gives which were made."""
    made: list[str] = []

    def step(name: str) -> Callable[[Look], pd.DataFrame | None]:
        def make(look: Look) -> pd.DataFrame | None:
            made.append(name)
            return None if name == "nothing" else pd.DataFrame({"mean": look.states.pooled(PROJECTED)[:, 0]})

        return make

    steps = {
        "first.parquet": Step(step("first")),
        "nothing.parquet": Step(step("nothing"), asks=True, needs=("first.parquet",)),
        "last.parquet": Step(step("last"), needs=("first.parquet",)),
        "after.parquet": Step(step("after"), needs=("nothing.parquet",)),
        "apart.parquet": Step(step("apart")),
    }
    with patch.dict(STEPS, steps, clear=True):
        yield made


def test_the_states_are_those_of_the_table(run: Run, internvl: ModelSubject, dataset: Dataset) -> None:
    found = look(run, internvl, dataset)
    assert found.states.image_ids == tuple(found.table["image_id"])
    seen = internvl.visual_tokens(dataset.images("test", found.table["image_id"]))
    assert all(
        torch.allclose(a, b, atol=1e-5) for a, b in zip(found.states.tokens(PROJECTED), seen, strict=True)
    )
    assert found.fit_states.image_ids == tuple(looked_at(dataset.table("train"), 8, 0)["image_id"])
    assert found.fit_table["label"].nunique() == 8  # not the first contents alone
    assert found.fit_table["content"].nunique() > dataset.table("train")["content"][:8].nunique()
    assert found.fit_states.kept == ()
    assert set(found.table["content"]).isdisjoint(found.fit_table["content"])


def test_steps_are_made_once_in_their_order_and_timed(
    run: Run, internvl: ModelSubject, dataset: Dataset, made_steps: list[str]
) -> None:
    files = steps_of(["last", "after"])
    assert files == ("first.parquet", "nothing.parquet", "last.parquet", "after.parquet")
    assert steps_of(["apart"]) == ("apart.parquet",)
    look_inside(look(run, internvl, dataset), files)
    assert made_steps == ["first", "nothing", "last"]
    assert "base: inside: nothing does not apply" in TOLD
    assert "base: inside: after does not apply: it needs nothing" in TOLD
    assert not run.has("arms/base/nothing.parquet")
    stages = {entry["stage"] for entry in run.read_json("timings.json")}
    assert {"base: inside: first", "base: inside: last", "base: inside: reading test images"} <= stages
    look_inside(look(run, internvl, dataset), files)
    assert made_steps[3:] == ["nothing"]  # which leaves no file


def test_a_step_without_its_tokens_is_left_out_with_the_reason(
    run: Run, internvl: ModelSubject, dataset: Dataset
) -> None:
    def make(look: Look) -> pd.DataFrame:
        return pd.DataFrame({"tokens": [len(look.states.tokens(PROJECTED)[0])]})

    with patch.dict(STEPS, {"all.parquet": Step(make)}, clear=True):
        look_inside(look(run, internvl, dataset, tokens=False), ["all.parquet"])
        look_inside(look(run, internvl, dataset, "projector"), ["all.parquet"])
    assert "base: inside: all does not apply: the tokens of 'projector output' are not kept" in "".join(TOLD)
    assert not run.has("arms/base/all.parquet")
    assert run.has("arms/projector/all.parquet")


def test_a_step_that_is_not_there_is_told() -> None:
    with pytest.raises(EyechartError, match="did you mean distance"):
        steps_of(["distanc"])
    with pytest.raises(EyechartError, match="there are distance"):
        steps_of(["retina"])
    assert steps_of([]) == tuple(STEPS)
    assert steps_of(["lens", " probes"]) == ("lens.parquet", "probes.parquet")


def test_needs_come_before() -> None:
    places = {file: place for place, file in enumerate(STEPS)}
    assert all(places[need] < places[file] for file, step in STEPS.items() for need in step.needs)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"template": HELD_OUT}, r"settings\.template, subject\.prompt"),
        ({"images": 9}, r"images\.test, settings\.images"),
        ({"train_images": 7}, r"images\.train, settings\.train_images"),
        ({"precision": "bfloat16"}, r"settings\.precision"),
    ],
)
@pytest.mark.usefixtures("made_steps")
def test_another_look_is_not_mixed_in(
    run: Run, internvl: ModelSubject, dataset: Dataset, settings: dict[str, Any], told: str
) -> None:
    look_inside(look(run, internvl, dataset, precision="bfloat16", tokens=False), ())  # leaves no step
    look_inside(look(run, internvl, dataset), ["first.parquet"])
    look_inside(look(run, internvl, dataset, batch=1), ())
    with pytest.raises(EyechartError, match=f"another look, which differs in {told}\n"):
        look_inside(look(run, internvl, dataset, **settings), ())


@pytest.mark.usefixtures("made_steps")
def test_states_of_other_weights_are_not_taken(run: Run, pupil: ModelSubject, dataset: Dataset) -> None:
    before = look(run, pupil, dataset)
    look_inside(before, ["first.parquet"])
    kept = before.states.pooled(PROJECTED)
    with torch.no_grad():
        next(pupil.projector.parameters()).mul_(1.5)
    after = look(run, pupil, dataset)
    with pytest.raises(EyechartError, match=r"differs in subject\.weights\n"):
        look_inside(after, ())
    assert after.states.folder != before.states.folder
    assert not np.allclose(after.states.pooled(PROJECTED), kept)
    assert np.array_equal(look(run, pupil, dataset).states.pooled(PROJECTED), after.states.pooled(PROJECTED))


def test_the_base_is_found_again(run: Run, pupil: ModelSubject, dataset: Dataset) -> None:
    base = look(run, pupil, dataset)
    look_inside(base, ())
    tuned = copy.deepcopy(pupil)
    with torch.no_grad():
        next(tuned.projector.parameters()).mul_(1.5)
    assert look(run, tuned, dataset, "projector").base_states is None  # not read yet
    values = base.states.pooled(PROJECTED)
    found = look(run, tuned, dataset, "projector", batch=1)
    assert found.base_states is not None
    assert np.array_equal(found.base_states.pooled(PROJECTED), values)
    assert not np.allclose(found.states.pooled(PROJECTED), values)
    assert base.base_states is None
    assert base.base_subject is None
    assert look(run, tuned, dataset, "projector", images=9).base_states is None


def test_weights_are_told_apart_wherever_they_lie(pupil: ModelSubject, tmp_path: Path) -> None:
    from accelerate import cpu_offload

    before = weights_hash(pupil.model)
    pupil.model.save_pretrained(tmp_path)
    assert weights_hash(type(pupil.model).from_pretrained(tmp_path)) == before
    waiting = cpu_offload(copy.deepcopy(pupil.model), torch.device("cpu"))
    assert next(waiting.parameters()).is_meta
    assert weights_hash(waiting) == before
    with torch.no_grad():
        list(pupil.model.parameters())[-1].view(-1)[-1:].add_(1e-3)
    assert weights_hash(pupil.model) != before


def test_images_are_spread_over_labels_and_contents(dataset: Dataset) -> None:
    table = dataset.table("test")
    assert looked_at(table, None, 0).equals(table)
    assert looked_at(table, 10_000, 0).equals(table)
    found = looked_at(table, 10, seed=0)
    assert len(found) == 10
    assert found["content"].value_counts().tolist() == [4, 3, 3]
    assert found["label"].value_counts().max() - found["label"].value_counts().min() <= 1
    assert set(found["label"]) == set(table["label"])
    assert found["image_id"].tolist() == [
        name for name in table["image_id"] if name in set(found["image_id"])
    ]
    assert found.equals(looked_at(table, 10, seed=0))
    assert not found.equals(looked_at(table, 10, seed=1))
    assert set(looked_at(table, 9, seed=0)["image_id"]) < set(found["image_id"])


def test_a_template_is_one_question_about_all_labels() -> None:
    assert template_of(None).split == "train"
    assert template_of(HELD_OUT).id == HELD_OUT
    with pytest.raises(EyechartError, match="no single question"):
        template_of("exam")
    with pytest.raises(EyechartError):
        template_of("no-such-template")


@pytest.fixture(scope="module")
def folders(internvl: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return the folders of a tiny saved model and of one that was changed."""
    folder, other = tmp_path_factory.mktemp("subjects"), copy.deepcopy(internvl)
    with torch.no_grad():
        next(other.projector.parameters()).mul_(1.5)
    for name, subject in (("untuned", internvl), ("tuned", other)):
        subject.model.save_pretrained(folder / name)
        subject.processor.save_pretrained(folder / name)
    return str(folder / "untuned"), str(folder / "tuned")


def test_steps_that_read_no_answers_need_no_exam(
    folders: tuple[str, str], dataset: Dataset, tmp_path: Path, made_steps: list[str]
) -> None:
    told: list[str] = []
    settings = InsideConfig(images=10, train_images=8, every=1)
    asked: dict[str, Any] = {"seed": 0, "settings": settings, "only": ("apart",), "say": told.append}
    inside_run(folders[1], dataset.path, tmp_path / "run", base=folders[0], **asked)
    assert made_steps == ["apart", "apart"]
    arms = tmp_path / "run" / "arms"
    assert sorted(path.name for path in arms.iterdir()) == ["base", "tuned"]
    assert not list(arms.glob("*/answers"))
    assert not list(arms.glob("*/DONE"))
    one, other = (Run(tmp_path / "run").read_table(f"arms/{arm}/apart.parquet") for arm in ("base", "tuned"))
    assert not np.allclose(one, other)
    assert len(list(arms.glob("*/states/test-*/00000.safetensors"))) == 2
    with pytest.raises(EyechartError, match="with another configuration: arms"):
        inside_run(folders[1], dataset.path, tmp_path / "run", **asked)


def test_inside_takes_up_an_exam_and_leaves_no_states(
    folders: tuple[str, str], dataset: Dataset, tmp_path: Path, made_steps: list[str]
) -> None:
    exam_run(folders[0], dataset.path, tmp_path / "run", seed=0, say=TOLD.append)
    base = tmp_path / "run" / "arms" / "base"
    before = (base / "answers" / "00000.parquet").stat().st_mtime_ns
    settings = InsideConfig(images=10, train_images=8, every=1)
    inside_run(folders[0], dataset.path, tmp_path / "run", seed=0, settings=settings, say=TOLD.append)
    assert made_steps == ["first", "nothing", "last", "apart"]
    assert (base / "answers" / "00000.parquet").stat().st_mtime_ns == before
    assert (base / "DONE").is_file()
    assert not (base / "states").exists()
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--only", "lens,prob"], "no step 'prob'\n  did you mean probes"),
        (["--images", "0"], "--images: Input should be greater than 0"),
        (["--precision", "float8"], "--precision: Input should be 'float32' or 'bfloat16'"),
        (["--template", "exam"], "'exam' is no single question"),
        (["--base", "nanno"], "did you mean nano"),
    ],
)
def test_mistakes_are_told_before_work(
    options: list[str], told: str, folders: tuple[str, str], dataset: Dataset, tmp_path: Path
) -> None:
    command = ["inside", folders[0], str(dataset.path), "--out", str(tmp_path / "run"), *options]
    found = CliRunner().invoke(build(), command)
    assert found.exit_code != 0
    assert told in f"{found.stderr}{found.exception}"
    assert not list(tmp_path.rglob("*.parquet"))
