"""Plans on the command line and in run folders: without weights, kept, held against what was taken."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from eyechart.cli.main import build
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.exam import ExamConfig
from eyechart.exam.processes import Processes
from eyechart.exam.run import examine
from eyechart.plan import exam, tune
from eyechart.plan.measure import seconds_of_an_image
from eyechart.plan.run import beside_plan, held, plan_exam, plan_tuning
from eyechart.plan.tables import Quantity, compare_table, told, value_of
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import arm
from eyechart.tune.config import TuneConfig

CONFIG = ExamConfig(templates=("main-distortion", "yes-no-is-there"), batch=4, new_tokens=3, repeats=1)
QUESTION = "What is the main distortion of this image?"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    settings = {"crop": 112, "test_contents": 2, "clean_per_content": 1, "train_images": 16, "levels": (5,)}
    return build_dataset(DatasetConfig.of(**settings), tmp_path_factory.mktemp("datasets"))


@pytest.fixture(scope="module")
def seven_b(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with the configuration of LLaVA-1.5-7B, and nothing else."""
    from transformers import LlavaConfig

    folder = tmp_path_factory.mktemp("subject") / "llava-1.5-7b"
    LlavaConfig().save_pretrained(folder)
    return str(folder)


def command(*arguments: str) -> str:
    result = CliRunner().invoke(build(), ["plan", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def line(output: str, name: str) -> list[str]:
    """Return the words of a table's row behind its name."""
    (found,) = (row for row in output.splitlines() if row.startswith(f"{name}  "))
    return found.removeprefix(name).split()


def test_an_exam_of_seven_billion_parameters_is_planned_from_its_configuration(
    seven_b: str, dataset: Dataset
) -> None:
    began = time.process_time()
    output = command("exam", seven_b, str(dataset.path), "--dtype", "bfloat16", "--orders", "2")
    assert time.process_time() - began < 20
    count = len(dataset.table("test"))
    assert line(output, "images") == [str(count)]
    assert line(output, "tokens of an image") == ["576"]
    assert line(output, "memory: weights") == ["14.1", "GB"]
    # 576 tokens of 13 GFLOP, and attention; 0.38 TFLOP for each image.
    value, unit = line(output, "operations: vision")
    assert unit == "TFLOP"
    assert float(value) == pytest.approx(0.383 * count, rel=0.01)
    assert "assumed: a token every 4 characters" in output
    assert "counted on the meta device by FlopCounterMode" in output


@pytest.mark.slow
def test_tuning_of_seven_billion_parameters_is_planned_from_its_configuration(
    seven_b: str, dataset: Dataset
) -> None:
    output = command("tune", seven_b, str(dataset.path), "--train", "all", "--lora", "none")
    full, unit = line(output, "operations of an image: answer")
    alone, other = line(output, "operations of an image: alignment")
    assert unit == other == "TFLOP"
    # 3 x (0.38 + 8.84) at 656 tokens, here some 60 fewer, and 3 x (0.38 + the projector's 0.02).
    assert float(full) == pytest.approx(27.7 * 596 / 656, rel=0.05)
    assert float(alone) == pytest.approx(1.22, abs=0.02)
    assert line(output, "memory: optimiser") == ["56.5", "GB"]  # two moments of four bytes each


def test_mistakes_are_told_in_words(seven_b: str, dataset: Dataset) -> None:
    for arguments, words in (
        (["exam", seven_b, str(dataset.path), "--batch", "0"], "batch"),
        (["tune", seven_b, str(dataset.path), "--train", "eyes"], "unknown component 'eyes'"),
        (["tune", seven_b, str(dataset.path), "--train", "base"], "the base is what is not tuned"),
    ):
        result = CliRunner().invoke(build(), ["plan", *arguments])
        assert result.exit_code == 2
        assert words in result.output


def test_an_exam_takes_what_was_planned(internvl: ModelSubject, dataset: Dataset, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"seed": 0})
    plan_exam(run, "base", internvl, dataset, CONFIG, "shared")
    kept = (run.path / "arms/base/plan.json").read_bytes()
    examine(run, "base", internvl, dataset, CONFIG, seed=0, processes=Processes(), say=lambda _: None)
    plan_exam(run, "base", internvl, dataset, CONFIG, "plain")  # one that is there stays
    assert (run.path / "arms/base/plan.json").read_bytes() == kept
    planned = {row["name"]: row["value"] for row in json.loads(kept)["quantities"]}
    took = exam.took(run, "base")
    assert value_of(took, "images") == planned["images"]
    assert value_of(took, "questions of each image") == planned["questions of each image"]
    stored = value_of(took, "answers on the disk") - 15_000  # of which a file's own is most here
    assert stored < 2 * planned["answers on the disk"]
    shown = beside_plan(run, "arms/base/plan.json", took)
    assert line(shown, "questions of each image")[-1] == "1.00"
    assert "seconds" in shown


def test_a_measured_image_decides_the_time(internvl: ModelSubject, dataset: Dataset) -> None:
    each = seconds_of_an_image(internvl, dataset, CONFIG)
    plan = exam.planned(internvl, held(internvl), dataset, CONFIG, device=internvl.device, seconds=each)
    assert value_of(plan, "seconds") == pytest.approx(each * len(dataset.table("test")))
    assert value_of(plan, "images per second") == pytest.approx(1 / each)


def test_tuning_is_held_against_its_plan(internvl: ModelSubject, dataset: Dataset, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"seed": 0})
    config = TuneConfig(projector_steps=3, alignment_steps=4, steps=5, batch=2)
    plan_tuning(run, "plan.json", internvl, dataset, QUESTION, arm("all"), config)
    for _ in range(2):  # killed, and taken up
        with run.timer("tuning"):
            time.sleep(0.02)
    internvl.model.save_pretrained(run.path / "checkpoint")
    took = tune.took(run)
    assert 0.04 <= value_of(took, "seconds") < 1
    shown = beside_plan(run, "plan.json", took)
    assert float(line(shown, "checkpoint on the disk")[-1]) == pytest.approx(1, abs=0.05)
    planned = json.loads((run.path / "plan.json").read_text())["quantities"]
    assert {row["name"]: row["value"] for row in planned}["images in all steps"] == 3 * 8 + 4 * 2 + 5 * 2


def test_a_subject_that_cannot_be_planned_is_examined_all_the_same(
    dataset: Dataset, internvl: ModelSubject, tmp_path: Path
) -> None:
    class Shy(ModelSubject):
        def inputs(self, *_: object) -> dict[str, object]:  # type: ignore[override]
            raise KeyError("pixel_values")

    shy = Shy("shy", internvl.model, internvl.processor)
    run = Run.create(tmp_path / "run", {"seed": 0})
    plan_exam(run, "base", shy, dataset, CONFIG, "shared")
    assert beside_plan(run, "arms/base/plan.json", ()) == "there was no plan: KeyError: 'pixel_values'"


def test_numbers_are_told_to_three_digits_with_their_units() -> None:
    assert [told(value, "operations") for value in (0, 999, 1000, 2.5e15)] == [
        "0 FLOP",
        "999 FLOP",
        "1 kFLOP",
        "2.5 PFLOP",
    ]
    assert [told(value, "seconds") for value in (1.5, 150, 9000)] == ["1.5 s", "2.5 min", "2.5 h"]
    assert told(14_770, "") == "14,770"
    table = compare_table(
        [Quantity("seconds", 10, "seconds"), Quantity("secret", 1)], [Quantity("seconds", 12, "seconds")]
    )
    assert table.to_dict("records") == [
        {"what": "seconds", "planned": "10 s", "took": "12 s", "ratio": "1.20"}
    ]
