"""The exam's benchmark: every way gives the same numbers, and the limit counts only what is needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
from exam_bench import (  # type: ignore[import-not-found]  # noqa: E402
    flops,
    lmms,
    memory,
    report,
    schemes,
)
from exam_bench.material import Exam, Setting, images  # type: ignore[import-not-found]  # noqa: E402

sys.path.remove(BENCHMARKS)

if TYPE_CHECKING:
    from eyechart.subjects.model import ModelSubject

# Labels of one, two and more tokens, two of which begin alike; one wording lists them.
LABELS = ("blur", "noise", "noise and blur", "compression", "clean")
WORDINGS = ("What is the main distortion?", "Which word fits this image best: {labels}?", "What is wrong?")


@pytest.fixture(scope="module")
def exam(internvl: ModelSubject) -> Exam:
    return Exam(internvl, Setting.asking(LABELS, WORDINGS))


def test_every_way_gives_the_same_numbers(exam: Exam) -> None:
    shown = images(5)
    plain = schemes.plain(exam, shown)
    assert plain.shape == (3, 5, 5)
    assert np.ptp(plain, axis=1).max() > 1e-3  # the images matter
    np.testing.assert_allclose(schemes.prefill(exam, shown, batch=2), plain, atol=1e-4)
    np.testing.assert_allclose(schemes.eyechart(exam, shown), plain, atol=1e-4)
    scores, texts = schemes.eyechart_texts(exam, shown, 4)
    np.testing.assert_allclose(scores, plain, atol=1e-4)
    assert [len(wording) for wording in texts] == [5, 5, 5]
    assert schemes.texts_alone(exam, shown, 4) == texts


def test_the_count_is_that_of_torch(exam: Exam) -> None:
    assert flops.one_forward(exam) == flops.counted_by_torch(exam, images(1)[0])


def test_only_what_is_needed_is_counted(exam: Exam) -> None:
    rows = {part.name: part.rows for part in flops.needed(exam)}
    prompts = [prompt.ids for prompt in exam.prompts]
    start = rows["shared beginning"]
    assert len({prompt[:start] for prompt in prompts}) == 1
    assert len({prompt[: start + 1] for prompt in prompts}) > 1
    alone = sum(len(prompt) - start for prompt in prompts)
    answers = sum(len(answer) - 1 for own in exam.candidates for answer in own)
    assert alone < rows["questions and answers"] < alone + answers  # what answers share is counted once
    assert rows["predictions"] < len(prompts) + answers


def test_the_limit_grows_with_the_work(exam: Exam) -> None:
    import torch

    few, all_ = flops.needed(exam)[:3], flops.needed(exam)
    cpu = torch.device("cpu")
    assert (
        0 < flops.limit_seconds(few, 2, torch.float32, cpu) < flops.limit_seconds(all_, 2, torch.float32, cpu)
    )


def test_tasks_of_lmms_eval_ask_the_same(exam: Exam, tmp_path: Path) -> None:
    import yaml
    from datasets import load_dataset

    shown = images(2)
    lmms.write_tasks(tmp_path / "tasks", exam.setting, shown, 16)
    asked = []
    for path in sorted((tmp_path / "tasks").glob("eyechart_*.yaml")):
        task = yaml.safe_load(path.read_text().replace("!function ", ""))
        asked.append(task["lmms_eval_specific_kwargs"]["default"]["question"])
    assert tuple(asked) == exam.setting.wordings
    file = str(tmp_path / "tasks" / "test.parquet")
    found = load_dataset("parquet", data_files=file, split="train", cache_dir=str(tmp_path / "cache"))
    assert all(
        np.array_equal(np.asarray(row["image"]), image) for row, image in zip(found, shown, strict=True)
    )


def test_the_dataset_of_the_memory_test_is_one(tmp_path: Path) -> None:
    from eyechart.dataset import load_dataset

    memory.write_dataset(tmp_path / "dataset", 600)
    dataset = load_dataset(tmp_path / "dataset")
    assert len(dataset.table("test")) == 600
    assert dataset.images("test", ["image-00000599"])[0].shape == (112, 112, 3)


def test_bars_are_judged() -> None:
    one = {
        "setting": "8 labels x 4 templates",
        "precision": "float32",
        "seconds_per_image": {"plain": [16.0, 30.0], "prefill": [1.7, 1.7], "eyechart": [1.0, 2.0]},
        "prefill_batch": 8,
        "differences": {"plain": 2e-5, "prefill": 3e-5},
        "limit": {
            "operations": {"all": 10},
            "rows": {"all": 1},
            "seconds": 0.6,
            "one_forward": {"ours": 10, "torch": 10},
        },
        "lmms_eval": None,
    }
    told = report.table(one)
    assert "| 15.5x | 15x: met | 2.0e-05 |" in told
    assert "| 1.3x | 1.8x: missed |" in told
    assert "40% of the limit (bar 50%: missed)" in told
    assert "lmms-eval: absent" in told
