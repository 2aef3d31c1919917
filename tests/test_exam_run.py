"""An exam in a run folder: killed and taken up, shared by processes, and the same table every time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sit_exam
import small_corpora
from forked import ended, pair, started

from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.exam.alone import asked_alone
from eyechart.exam.blocks import blocks
from eyechart.exam.config import READOUTS, Readout
from eyechart.exam.content_free import colour_of, mean_colour
from eyechart.exam.examiner import Examiner
from eyechart.exam.shards import finished, write_answers
from eyechart.runs import Run
from eyechart.seeds import rng
from eyechart.subjects.loading import load_subject
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.options import LoadOptions

KILLS = 3


@pytest.fixture(scope="module")
def saved(internvl: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("subject") / "tiny"
    internvl.model.save_pretrained(folder)
    internvl.processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return pictures of two sizes: whole ones of a corpus, and crops."""
    folder = tmp_path_factory.mktemp("datasets")
    corpus = {"name": "kadid10k", "path": small_corpora.kadid10k(folder / "kadid10k"), "partial": True}
    crops = {"crop": 48, "test_contents": 2, "clean_per_content": 1, "train_images": 32, "levels": (5,)}
    return build_dataset(DatasetConfig.of(corpora=[corpus], synthetic=True, **crops), folder)


@pytest.fixture(scope="module")
def whole(saved: str, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose exam nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    ended(started(sit_exam.sit, saved, str(dataset.path), str(out)))
    return Run(out)


def table(run: Run) -> pd.DataFrame:
    return run.read_table("arms/base/answers").drop(columns="seconds")


def test_every_question_is_answered_once_and_accounted_for(whole: Run, dataset: Dataset) -> None:
    asked, found = dataset.table("test"), table(whole)
    assert len(found) == len(asked) * (3 + 1)  # a choice, two texts; a yes-no row
    assert not found.duplicated(["image_id", "template", "readout", "repeat"]).any()
    sizes = asked["height"].to_numpy()
    assert any(len(set(sizes[part])) > 1 for part in blocks(len(asked), sit_exam.CONFIG.block))
    first = found[found["readout"] == "choose"]
    assert first["image_id"].tolist() == asked["image_id"].tolist()
    prompts = whole.read_table("arms/base/prompts.parquet")
    assert set(prompts["prompt"]) == set(found["prompt"])
    assert prompts[prompts["template"] == "yes-no-is-there"]["about"].tolist() == list(dataset.labels)
    took = whole.read_json("arms/base/exam.json")
    assert took["images"] == len(asked)
    assert took["questions"] == 1 + len(dataset.labels)
    assert took["engine"]["scheme"] == "shared"
    assert took["seconds"] == pytest.approx(whole.read_table("arms/base/answers")["seconds"].sum())
    assert took["peak_rss_mib"][0] > 100
    mean = np.mean([mean_colour(image) for image in dataset.images("test")], axis=0)
    np.testing.assert_allclose(colour_of(whole), mean)


def test_answers_that_depend_on_their_batch_are_counted(
    whole: Run, saved: str, dataset: Dataset, tmp_path: Path
) -> None:
    alone = whole.read_json("arms/base/exam.json")["alone"]
    assert alone["images"] == 8
    assert (alone["texts"], alone["choices"]) == (8, 16)  # of one template two readouts, of the other one
    assert (alone["texts_changed"], alone["choices_changed"]) == (0, 0)
    assert alone["difference"] < 1e-4
    run = Run(tmp_path / "run")
    shutil.copytree(whole.path, run.path)
    first = run.path / "arms/base/answers/00000.parquet"
    table = pd.read_parquet(first)
    image = (table["image_id"] == table["image_id"].iloc[0]) & (table["repeat"] == 0)
    said, chose = (table.index[image & (table["readout"] == name)][0] for name in ("generate", "choose"))
    table.loc[said, "text"] = "another"
    table.loc[chose, "predicted"] = "another"
    table["logp"] = [odds + 0.5 if row == chose else odds for row, odds in table["logp"].items()]
    write_answers(run, "base", table, 0)
    subject = load_subject(saved, LoadOptions(dtype="float32"))
    examiner = Examiner(subject, "base", dataset.labels, sit_exam.CONFIG, colour_of(run), 0)
    found = asked_alone(run, "base", examiner, dataset.table("test"), partial(dataset.images, "test"))
    assert (found["texts_changed"], found["choices_changed"]) == (1, 1)
    assert found["difference"] == pytest.approx(0.5, abs=1e-3)


def test_a_run_killed_at_any_moment_gives_the_same_table(
    whole: Run, saved: str, dataset: Dataset, tmp_path: Path
) -> None:
    run, draw, counts = Run(tmp_path), rng(0, "kill"), [0]
    for _ in range(KILLS):
        process = started(sit_exam.sit, saved, str(dataset.path), str(tmp_path))
        while len(finished(run, "base")) == counts[-1] and process.is_alive():
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.1))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        counts.append(len(finished(run, "base")))
    assert counts[1] < len(finished(whole, "base"))  # else nothing was interrupted
    left = tmp_path / "arms/base/answers/.00001.parquet.1.partial"
    left.write_bytes(b"PAR1")
    ended(started(sit_exam.sit, saved, str(dataset.path), str(tmp_path)))
    assert not left.exists()
    pd.testing.assert_frame_equal(table(run), table(whole), check_exact=True)
    told = (tmp_path / "told-0.txt").read_text(encoding="utf-8")
    assert f"{counts[-1]} of {len(finished(whole, 'base'))} blocks of images were answered before" in told


def test_two_processes_give_the_same_table(whole: Run, saved: str, dataset: Dataset, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    given = [str(Path(sit_exam.__file__)), saved, str(dataset.path), str(tmp_path)]
    done = subprocess.run([*launch, *given], capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr.decode()
    run = Run(tmp_path)
    pd.testing.assert_frame_equal(table(run), table(whole), check_exact=True)
    took = run.read_json("arms/base/exam.json")
    assert took["processes"] == len(took["peak_rss_mib"]) == 2
    # no thread of the group is left that the interpreter's end could catch at work
    assert not any("gloo" in (tmp_path / f"threads-{number}.txt").read_text() for number in (0, 1))


@pytest.mark.parametrize(
    ("how", "told"), [("fail", "process 1 failed: a picture is damaged"), ("die", "another process of this")]
)
def test_what_ends_one_process_ends_the_other(how: str, told: str, tmp_path: Path) -> None:
    for process in pair(sit_exam.fail_together, str(tmp_path), how):
        process.join(60)
        assert not process.is_alive()
    assert told in (tmp_path / "0.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("readout", READOUTS)
def test_images_are_asked_alone_by_a_single_readout(
    readout: Readout, internvl: ModelSubject, dataset: Dataset, tmp_path: Path
) -> None:
    config = sit_exam.CONFIG.model_copy(update={"readouts": (readout,)})
    table = dataset.table("test").iloc[:4]
    images = dataset.images("test", table["image_id"])
    examiner = Examiner(internvl, "base", dataset.labels, config, mean_colour(images[0]), 0)
    rows = [row for i in range(4) for row in examiner.answer(table.iloc[i : i + 1], images[i : i + 1])]
    write_answers(Run(tmp_path), "base", pd.DataFrame(rows))
    load = partial(dataset.images, "test")
    found = asked_alone(Run(tmp_path), "base", examiner, table, load)
    assert found["images"] == 4
    assert bool(found["texts"]) == (readout == "generate")
    assert bool(found["choices"]) == (readout != "generate")
