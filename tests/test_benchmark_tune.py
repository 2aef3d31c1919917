"""The tuning benchmark: both ways train what they say on the same answers, and bars are judged."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
from tune_bench import (  # type: ignore[import-not-found]  # noqa: E402
    counted,
    large,
    ours,
    plain,
    report,
)

sys.path.remove(BENCHMARKS)

import tiny  # noqa: E402

from eyechart.subjects.components import components  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.tune.config import TuneConfig  # noqa: E402
from eyechart.tune.lesson import Lesson  # noqa: E402

QUESTION = "What is the main distortion of this image?"
CONFIG = TuneConfig(batch=2)


@pytest.fixture
def fresh(internvl: ModelSubject) -> ModelSubject:
    return copy.deepcopy(internvl)


def lesson(count: int = 12) -> Lesson:
    return Lesson(tiny.images(count), np.arange(count) % len(tiny.LABELS), tiny.LABELS, (QUESTION,))


def values(model: Any) -> dict[str, dict[str, Any]]:
    return {c: {n: p.detach().clone() for n, p in part.items()} for c, part in components(model).items()}


def test_the_plain_way_learns_the_answers_alone(internvl: ModelSubject) -> None:
    batch = plain.collate(internvl, lesson(), [0, 2])  # one token more or less in the answers
    size = (112, 112)
    for row, label in enumerate((tiny.LABELS[0], tiny.LABELS[2])):
        learnt = [i for i in batch["labels"][row].tolist() if i != -100]
        answer = internvl.answer_ids(QUESTION, label, size)
        assert tuple(learnt[: len(answer)]) == answer  # and the line's end that the template adds


@pytest.mark.parametrize("train", ["projector", "language"])
def test_the_plain_way_trains_one_component(fresh: ModelSubject, train: str) -> None:
    before = values(fresh.model)
    model = fresh.model
    assert plain.epoch(fresh, train, lesson(4), CONFIG, bf16=False) > 0
    if train == "language":
        trained = [name for name, p in model.named_parameters() if p.requires_grad]
        assert trained
        assert all("lora_" in name and "language_model" in name for name in trained)
        return
    after = values(model)
    moved = {c for c in before if any(not v.equal(after[c][n]) for n, v in before[c].items())}
    assert moved == {train}


@pytest.mark.parametrize("train", ["projector", "language"])
def test_an_epoch_is_timed_phase_by_phase(fresh: ModelSubject, train: str, tmp_path: Path) -> None:
    found = ours.epoch(fresh, train, lesson(), CONFIG, tmp_path, seed=0)
    assert set(found) == {"whole", "answer", *(["projector"] if train == "projector" else [])}
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.parametrize(("train", "answer"), [("vision+projector", False), ("all", True)])
def test_a_step_changes_what_it_trains(fresh: ModelSubject, train: str, answer: bool) -> None:
    before = values(fresh.model)
    ours.step(fresh, lesson(2), train, 1e-3, answer=answer)()
    after = values(fresh.model)
    moved = {c for c in before if any(not v.equal(after[c][n]) for n, v in before[c].items())}
    assert moved == ({"vision", "projector", "language"} if answer else {"vision", "projector"})


def test_keeping_saves_what_is_counted(internvl: ModelSubject) -> None:
    every, kept = (
        counted.operations(internvl, lesson(), "projector", answer=True, plain=way) for way in (True, False)
    )
    alone = counted.operations(internvl, lesson(), "projector", answer=False)
    assert every > kept > alone > 0


def test_the_large_model_has_the_classes_and_lengths_that_it_says() -> None:
    text = large.config_of(16).text_config
    layer = 2048**2 * 2 + 2 * 2048 * 512 + 3 * 2048 * 8192
    assert text.num_hidden_layers * layer + text.vocab_size * 2048 == pytest.approx(1.07e9, rel=0.01)


def test_bars_are_judged() -> None:
    told = report.arm(
        {
            "arm": "projector",
            "images": 8,
            "precision": "bfloat16",
            "plain": {"float32": [60.0, 70.0], "bfloat16": [12.0, 10.0]},
            "eyechart": {"whole": [9.0, 9.0], "projector": [0.1, 0.1], "answer": [2.0, 2.0]},
            "operations": {"plain": 30.0, "answer": 20.0},
        }
    )
    assert "5.5x faster; bar 5x: met" in told
    assert "makes 1.5x in operations" in told
    assert "110x faster" in told
    large_told = report.alignment(
        {
            "parameters": 1.07e9,
            "batch": 2,
            "dtype": "bfloat16",
            "seconds": {"full": [10.0, 12.0], "alignment": [1.0, 1.0]},
            "operations": {"full": 2.4e12, "alignment": 1e11},
        }
    )
    assert "11.0x cheaper; bar 20x: missed. Counted in operations it is 24.0x." in large_told
