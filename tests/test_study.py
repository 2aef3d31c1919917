"""The whole river on a tiny random model of the real class: each bend leaves its file, once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from huggingface_hub import ModelCard
from PIL import Image
from test_readme import script

from eyechart.dataset import DatasetConfig, load_dataset
from eyechart.errors import EyechartError
from eyechart.inside import InsideConfig
from eyechart.runs import Run
from eyechart.single import exam_run
from eyechart.study import StudyConfig, run_study
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import arm as arm_of
from eyechart.tune.config import TuneConfig
from eyechart.tuning import keep_card, settings_told, tune_run

ARMS = ("base", "projector", "all")
LOOKED_INTO = ("base", "all")


@pytest.fixture(scope="module")
def saved(internvl: ModelSubject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny saved model."""
    folder = tmp_path_factory.mktemp("subject") / "tiny"
    internvl.model.save_pretrained(folder)
    internvl.processor.save_pretrained(folder)
    return folder


def small(saved: Path, seed: int = 0) -> StudyConfig:
    """Return the configuration of a very small study."""
    return StudyConfig(
        subject=str(saved),
        arms=ARMS,
        seed=seed,
        dataset=DatasetConfig(name="tiny", train_images=48, test_contents=3, levels=(4,), seed=seed),
        tune=TuneConfig(projector_steps=4, alignment_steps=4, steps=4, batch=4),
        inside=InsideConfig(train_images=48, components=8, every=1),
        content_scenes=6,
        inside_arms=LOOKED_INTO,
    )


@pytest.fixture(scope="module")
def run(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished study."""
    out = tmp_path_factory.mktemp("runs") / "study"
    run_study(small(saved), out, say=lambda _: None)
    return out


def test_every_bend_leaves_its_file(run: Path) -> None:
    assert (run / "report.html").stat().st_size > 50_000
    for arm in ARMS:
        answers = Run(run).read_table(f"arms/{arm}/answers")
        assert set(answers["readout"]) == {"generate", "choose"}
        assert answers["template"].nunique() == 3
        assert len(pd.read_parquet(run / "arms" / arm / "content.parquet")) >= 12
        assert {"raw_own", "centred_own", "next_token_p"} <= set(
            pd.read_parquet(run / "arms" / arm / "distance.parquet").columns
        )
    for arm in LOOKED_INTO:
        stages = pd.read_parquet(run / "arms" / arm / "stages.parquet")
        assert {"probe", "shuffled", "random", "pixels"} == set(stages["kind"])
    for large in ("checkpoint", "states"):  # not kept unless asked for
        assert not list(run.glob(f"arms/*/{large}"))


def test_an_arms_plan_and_card_tell_what_its_exam_found(run: Path, saved: Path) -> None:
    """Checkpoints are not kept here; the card is written from the run's files, as for one that is."""
    plan = Run(run).read_json("arms/projector/tuning_plan.json")
    assert not plan["missing"]
    folder = run / "arms" / "projector" / "checkpoint"
    folder.mkdir()
    keep_card(
        Run(run), "projector", small(saved), load_dataset(next((run.parent / "datasets").glob("tiny-*")))
    )
    card = ModelCard.load(folder / "README.md")
    shutil.rmtree(folder)
    answers = Run(run).read_table("arms/projector/answers")
    part = answers[(answers["template_split"] == "held-out") & (answers["readout"] == "choose")]
    right = (part["predicted"] == part["label"]).mean()
    named = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert named["held-out wordings, choose"] == pytest.approx(right, abs=1e-6)
    assert "| projector | 4 |" in card.text
    assert "alignment (weight" in card.text
    assert not settings_told(arm_of("language"), TuneConfig())[
        "constraints"
    ]  # which work on a vision path alone


def test_the_readmes_picture_is_drawn_from_a_run(run: Path, tmp_path: Path) -> None:
    dataset = next((run.parent / "datasets").glob("tiny-*"))
    script("readme_picture").draw(Run(run), dataset, "all", tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 1000
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 1000  # photographs are in it


def test_each_arm_changed_its_components_alone(run: Path) -> None:
    expected = {
        "projector": {"projector"},
        "all": {"vision", "projector", "language"},
    }
    for arm, asked in expected.items():
        proof = json.loads((run / "arms" / arm / "proof.json").read_text())
        changed = {name for name, row in proof["components"].items() if row["changed_tensors"]}
        assert changed == asked


def test_test_contents_are_photographs_never_trained_on(run: Path) -> None:
    dataset = load_dataset(next((run.parent / "datasets").glob("tiny-*")))
    train, test = dataset.table("train"), dataset.table("test")
    assert set(test["corpus"]) == {"photos"}
    assert not set(train["content"]) & set(test["content"])


def test_the_same_command_computes_nothing_again(run: Path, saved: Path) -> None:
    kept = {p: p.stat().st_mtime_ns for p in run.glob("arms/**/*.parquet")}
    told: list[str] = []
    run_study(small(saved), run, say=told.append)
    assert {p: p.stat().st_mtime_ns for p in run.glob("arms/**/*.parquet")} == kept
    assert sum("done before" in line for line in told) == len(ARMS)


@pytest.mark.slow
def test_an_interrupted_arm_is_taken_up(run: Path, saved: Path) -> None:
    folder = run / "arms" / "projector"
    before = Run(run).read_table("arms/projector/answers").drop(columns="seconds")
    for name in ("DONE", "answers/00000.parquet", "proof.json"):
        (folder / name).unlink()
    run_study(small(saved), run, say=lambda _: None)
    again = Run(run).read_table("arms/projector/answers").drop(columns="seconds")
    pd.testing.assert_frame_equal(again, before)  # tuned again, to the last digit


def test_another_configuration_does_not_overwrite_a_run(run: Path, saved: Path) -> None:
    with pytest.raises(EyechartError, match="seed"):
        run_study(small(saved, seed=1), run, say=lambda _: None)


def test_a_wrong_subject_or_arm_is_told_before_work(tmp_path: Path, saved: Path) -> None:
    with pytest.raises(EyechartError, match=r"did you mean projector"):
        run_study(
            small(saved).model_copy(update={"arms": ("projektor",)}), tmp_path / "a", say=lambda _: None
        )
    with pytest.raises(EyechartError, match=r"did you mean nano"):
        run_study(small(saved).model_copy(update={"subject": "nanno"}), tmp_path / "b", say=lambda _: None)
    assert not list(tmp_path.rglob("*.parquet"))


@pytest.mark.slow
def test_a_broken_photograph_is_set_aside_and_told(tmp_path: Path, saved: Path) -> None:
    draw, folder = np.random.default_rng(0), tmp_path / "mine"
    folder.mkdir()
    for index in range(6):
        coarse = draw.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((256, 192), Image.Resampling.NEAREST).save(folder / f"{index}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    config = small(saved)
    dataset = config.dataset.model_copy(
        update={"photos": folder, "dead_leaves_share": 0.0, "test_contents": None}
    )
    config = config.model_copy(update={"dataset": dataset, "arms": ("base",)})
    report = run_study(config, tmp_path / "run", say=lambda _: None)
    assert "broken.jpg" in report.read_text()


def test_one_bend_at_a_time(run: Path, saved: Path, tmp_path: Path) -> None:
    dataset = next((run.parent / "datasets").glob("tiny-*"))
    checkpoint = tune_run(
        str(saved), dataset, "projector", tmp_path / "tuned", settings={"projector_steps": 4, "steps": 4},
        seed=0, say=lambda _: None,
    )  # fmt: skip
    settings = {"projector_steps": 4, "steps": 4, "constraints": {"alignment": 0.3}}
    given: Any = {"settings": settings, "seed": 0, "say": lambda _: None}
    with pytest.raises(EyechartError, match="another configuration"):  # the same component, by another loss
        tune_run(str(saved), dataset, "projector-unconstrained", tmp_path / "tuned", **given)
    alone = tune_run(str(saved), dataset, "projector-unconstrained", tmp_path / "alone", **given)
    for folder, weighed in ((checkpoint, True), (alone, False)):
        assert ("alignment (weight 0.3)" in (folder / "README.md").read_text(encoding="utf-8")) == weighed
    page = exam_run(str(checkpoint), dataset, tmp_path / "exam", seed=0, say=lambda _: None)
    assert page.is_file()
    answers = Run(tmp_path / "exam").read_table("arms/base/answers")
    assert answers["logp"].dropna().map(len).eq(8).all()
