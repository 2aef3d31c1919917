"""Scores of a real tiny model in a run: killed, taken up, shared, held against opinions and stand-ins."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sit_score
import small_corpora
from forked import ended, started
from skimage.metrics import structural_similarity

import eyechart as ec
from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.dataset.check import check_dataset
from eyechart.dataset.plan import UNTYPED
from eyechart.errors import EyechartError
from eyechart.exam.shards import finished
from eyechart.quality.pictures import OPINION, STAND_IN, scored_pictures, targets
from eyechart.quality.run import KIND
from eyechart.report import build_report
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject


@pytest.fixture(scope="module")
def saved(internvl: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("subject") / "tiny"
    internvl.model.save_pretrained(folder)
    internvl.processor.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return pictures of two sizes: whole ones with opinions, some without a label, and crops without."""
    folder = tmp_path_factory.mktemp("datasets")
    corpus = {"name": "kadid10k", "path": small_corpora.kadid10k(folder / "kadid10k"), "partial": True}
    crops = {"crop": 48, "test_contents": 2, "clean_per_content": 2, "train_images": 8, "levels": (5,)}
    config = DatasetConfig.of(corpora=[corpus], synthetic=True, keep_untyped=True, **crops)
    return build_dataset(config, folder)


@pytest.fixture(scope="module")
def whole(saved: str, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run whose scoring nothing interrupted."""
    run = Run.create(tmp_path_factory.mktemp("whole") / "run", {"subject": saved})
    ended(started(sit_score.sit, saved, str(dataset.path), str(run.path)))
    return run


def table(run: Run) -> pd.DataFrame:
    return run.read_table("arms/base/scores").drop(columns="seconds")


def test_every_picture_is_scored_once_by_every_way(whole: Run, dataset: Dataset) -> None:
    asked, found = scored_pictures(dataset, None, 0), table(whole)
    assert len(found) == len(asked) * (2 + 3 * 2)  # likelihoods of two templates, two texts of all three
    assert not found.duplicated(["image_id", "template", "readout", "repeat"]).any()
    levels = found[found["readout"] == "levels"]
    assert levels["score"].between(0, 1).all()
    assert levels.groupby("template")["logp"].first().map(len).to_dict() == {
        "level-rate": 5,
        "q-bench-synonyms": 6,
    }
    prompts = whole.read_table("arms/base/score_prompts.parquet")
    assert set(prompts["prompt"]) == set(found["prompt"])
    assert prompts["text"].iloc[0].endswith("ASSISTANT: The image quality is")


def test_what_has_no_label_is_kept_for_scores_alone(dataset: Dataset) -> None:
    untyped = dataset.table(UNTYPED)
    test = dataset.table("test")
    assert set(untyped["distortion"]) == {"color_quantization"}
    assert set(untyped["label"]) == {""}
    assert set(untyped["content"]) <= set(test["content"])
    assert not (test["label"] == "").any()
    assert dataset.record()["images"][UNTYPED] == len(untyped) > 0
    assert not [problem for problem in check_dataset(dataset) if "labels are not" in problem]


def test_a_corpus_without_types_is_refused_or_kept(tmp_path: Path) -> None:
    (tmp_path / "own" / "pictures").mkdir(parents=True)
    source = small_corpora.kadid10k(tmp_path / "kadid10k", references=3)
    lines = ["file,distortion,score"]
    for i, path in enumerate(sorted((source / "images").glob("*.png"))[:12]):
        (tmp_path / "own" / "pictures" / f"p{i}.png").write_bytes(path.read_bytes())
        lines.append(f"pictures/p{i}.png,authentic,{i / 12}")
    (tmp_path / "own" / "images.csv").write_text("\n".join(lines) + "\n")
    corpora = [{"name": "folder", "path": tmp_path / "own"}]
    with pytest.raises(EyechartError, match="--keep-untyped"):
        build_dataset(DatasetConfig.of(corpora=corpora), tmp_path / "datasets")
    kept = build_dataset(DatasetConfig.of(corpora=corpora, keep_untyped=True), tmp_path / "datasets")
    found = targets(kept, scored_pictures(kept, None, 0))
    assert len(found) == len(kept.table(UNTYPED)) > 0
    assert set(found["target_kind"]) == {OPINION}
    assert found["label"].isna().all()
    assert len(kept.table("test")) == 0
    with pytest.raises(EyechartError, match="no test pictures with a label"):
        ec.exam_run("nano", kept.path, tmp_path / "run", seed=0, say=list[str]().append)


def test_targets_are_opinions_or_the_similarity_to_the_pristine_crop(whole: Run, dataset: Dataset) -> None:
    found = whole.read_table("targets.parquet").set_index("image_id")
    rows = pd.concat([dataset.table("test"), dataset.table(UNTYPED)]).set_index("image_id")
    rated = found[found["corpus"] == "kadid10k"]
    assert set(rated["target_kind"]) == {OPINION}
    pd.testing.assert_series_equal(rated["target"], rows.loc[rated.index, "score"], check_names=False)
    made = found[found["corpus"] == "photos"]
    assert set(made["target_kind"]) == {STAND_IN}
    assert (made.loc[made["distortion"] == "none", "target"] == 1).all()
    distorted = made[made["distortion"] != "none"]
    assert distorted["target"].notna().all()
    name = distorted.index[0]
    mine = dataset.images("test", [name])[0]
    clean = made[(made["distortion"] == "none") & (made["content"] == made.loc[name, "content"])]
    possible = [
        structural_similarity(
            *(one, mine), channel_axis=-1, data_range=255, gaussian_weights=True, use_sample_covariance=False
        )
        for one in dataset.images("test", clean.index)
    ]
    assert made.loc[name, "target"] in possible


def test_a_run_killed_at_any_moment_gives_the_same_table(
    whole: Run, saved: str, dataset: Dataset, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    process = started(sit_score.sit, saved, str(dataset.path), str(tmp_path))
    while not finished(run, "base", KIND) and process.is_alive():
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(finished(run, "base", KIND)) < len(finished(whole, "base", KIND))
    left = tmp_path / "arms/base/scores/.00001.parquet.1.partial"
    left.write_bytes(b"PAR1")
    ended(started(sit_score.sit, saved, str(dataset.path), str(tmp_path)))
    assert not left.exists()
    pd.testing.assert_frame_equal(table(run), table(whole), check_exact=True)
    assert "blocks of images were scored before" in (tmp_path / "told-0.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_processes_give_the_same_table(whole: Run, saved: str, dataset: Dataset, tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    given = [str(Path(sit_score.__file__)), saved, str(dataset.path), str(tmp_path)]
    done = subprocess.run([*launch, *given], capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr.decode()
    pd.testing.assert_frame_equal(table(Run(tmp_path)), table(whole), check_exact=True)


def test_the_command_scores_reports_and_refuses_other_settings(
    saved: str, dataset: Dataset, tmp_path: Path
) -> None:
    config, told = ec.ScoreConfig(templates=("level-rate", "two-words"), images=16), list[str]()
    page = ec.score_run(saved, dataset.path, tmp_path / "run", seed=0, config=config, say=told.append)
    text = page.read_text(encoding="utf-8")
    assert 'id="quality"' in text
    assert "full-reference stand-in (SSIM" in text
    assert any("SRCC" in line for line in told)
    run = Run(tmp_path / "run")
    assert run.read_table("arms/base/scores")["image_id"].nunique() == 16
    agreement = run.read_table("tables/score_agreement.csv")
    assert set(agreement["target_kind"]) == {OPINION, STAND_IN}
    with pytest.raises(EyechartError, match="other settings"):
        ec.score_run(saved, dataset.path, run.path, seed=0, config=ec.ScoreConfig(images=16), say=told.append)
    with pytest.raises(EyechartError, match="something else: seed"):
        ec.score_run(saved, dataset.path, run.path, seed=1, config=config, say=told.append)


@pytest.mark.slow
def test_scores_added_to_an_exam_are_held_against_its_names(
    saved: str, dataset: Dataset, tmp_path: Path
) -> None:
    from eyechart.exam import ExamConfig

    quiet, run = list[str]().append, Run(tmp_path / "run")
    asked = ExamConfig(templates=("main-distortion",), readouts=("choose",))
    ec.exam_run(saved, dataset.path, run.path, seed=0, exam=asked, say=quiet)
    before = (run.path / "report.html").read_text(encoding="utf-8")
    assert "No quality scores were asked for" in before
    config = ec.ScoreConfig(templates=("level-rate", "two-words"))
    ec.score_run(saved, dataset.path, run.path, seed=0, config=config, say=quiet)
    cases = run.read_table("tables/score_contradictions.csv")
    assert set(cases["template"]) == {"level-rate", "two-words"}
    assert np.isfinite(cases["rate"]).all()
    assert build_report(run.path).is_file()
