"""The probes, the ladder and the geometry of a real model's look, through the steps that a study walks."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pandas as pd
import pytest
import torch

from eyechart.dataset import Dataset, DatasetConfig, build_dataset
from eyechart.inside import InsideConfig, Look, look_inside
from eyechart.inside.identity import weights_hash
from eyechart.inside.random_copy import random_copy, why_no_copy
from eyechart.inside.stages import SKIPPED
from eyechart.runs import Run
from eyechart.subjects.model import ModelSubject

FILES = ("probes.parquet", "stages.parquet", "geometry.parquet")
CONFIG = InsideConfig(train_images=24, components=8, folds=2, every=5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    config = DatasetConfig.of(
        name="few", crop=112, levels=(4,), types=("gaussian_blur", "white_noise", "jpeg"), train_images=48,
        test_contents=6, clean_per_content=2, dead_leaves_share=0.0,
    )  # fmt: skip
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


Looks = Callable[..., Look]


@pytest.fixture(scope="module")
def look(internvl: ModelSubject, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Looks:
    def make(subject: ModelSubject = internvl, arm: str = "base", run: Run | None = None) -> Look:
        run = run or Run.create(tmp_path_factory.mktemp("runs") / "run", {"seed": 0})
        return Look.of(run, arm, subject, dataset, CONFIG, 0, say=lambda _: None)

    return make


@pytest.fixture(scope="module")
def base(look: Looks) -> Look:
    """Return a look whose files are made, not to be changed."""
    found = look()
    look_inside(found, FILES)
    return found


def test_every_stage_is_probed_beside_its_controls(base: Look) -> None:
    here = base
    probes, stages = here.found("probes.parquet"), here.found("stages.parquet")
    images, names = len(here.table), list(here.states.names)
    assert set(probes.groupby(["stage", "kind"]).size()) == {images}
    for kind in ("probe", "shuffled", "random"):
        mine = stages[stages["kind"] == kind].sort_values("order")
        assert mine["stage"].tolist() == names
        assert mine["order"].tolist() == list(range(len(names)))
    assert stages[stages["kind"] == "pixels"][["stage", "order"]].to_numpy().tolist() == [
        ["pixel statistics", -1]
    ]
    right = probes.assign(right=probes["predicted"] == probes["label"])
    expected = right.groupby(["stage", "kind"])["right"].mean()
    for row in stages.to_dict("records"):
        assert row["accuracy"] == pytest.approx(expected[row["stage"], row["kind"]])
        assert row["low"] <= row["accuracy"] <= row["high"]
    assert (stages["n"] == images).all()
    assert stages.loc[stages["kind"] == "pixels", "accuracy"].item() > 0.5  # blur, noise and blocks are seen
    assert not list((here.run.path / "controls").glob("*/"))  # the states of the copy are gone


def test_chance_is_the_agreement_of_answers_that_do_not_look(look: Looks) -> None:
    here = look()
    table = pd.DataFrame({"label": ["a"] * 6 + ["b"] * 2, "predicted": ["a"] * 4 + ["b"] * 4})
    table = table.assign(image_id="x", content=list("mmnnmmnn"), cluster=list("mmnnmmnn"))
    here.run.write_table(table.assign(stage="s", order=0, kind="probe"), here.file("probes.parquet"))
    look_inside(here, ["stages.parquet"])
    assert here.found("stages.parquet")["chance"].tolist() == [0.75 * 0.5 + 0.25 * 0.5]


def test_controls_are_shared_by_the_arms_and_repeat_exactly(
    base: Look, look: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = base
    kept = {path.name: path.stat().st_mtime_ns for path in (first.run.path / "controls").iterdir()}
    tuned = copy.deepcopy(first.subject)
    with torch.no_grad():
        for parameter in tuned.projector.parameters():
            parameter.mul_(1.5).add_(0.1)
    second = look(tuned, "projector", first.run)
    look_inside(second, FILES)
    assert kept == {path.name: path.stat().st_mtime_ns for path in (first.run.path / "controls").iterdir()}
    one, two = first.found("probes.parquet"), second.found("probes.parquet")
    for kind in ("random", "pixels"):
        ours, theirs = (part[part["kind"] == kind].reset_index(drop=True) for part in (one, two))
        pd.testing.assert_frame_equal(ours, theirs)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")  # stages are probed side by side, with the same result
    again = look()
    look_inside(again, FILES)
    for file in FILES:
        pd.testing.assert_frame_equal(first.found(file), again.found(file))

    moved = second.found("geometry.parquet")
    before = moved[(moved["other"] == "before") & (moved["measure"] == "cka")].set_index("stage")["value"]
    assert before[["encoder 1", "encoder output"]].tolist() == pytest.approx([1, 1])
    assert before["projector output"] < 0.9999
    assert "before" not in set(first.found("geometry.parquet")["other"])


def test_geometry_measures_every_stage_and_the_gap(base: Look) -> None:
    here = base
    found, names = here.found("geometry.parquet"), list(here.states.names)
    cka = found[found["measure"] == "cka"]
    assert cka["stage"].tolist() == names[:-1]
    assert cka["other"].tolist() == names[1:]
    assert found[found["measure"] == "label_purity"]["stage"].tolist() == names
    known = found[found["low"].notna()]
    assert ((known["low"] <= known["value"]) & (known["value"] <= known["high"])).all()
    tokens = torch.cat(
        [one / one.norm(dim=-1, keepdim=True) for one in here.states.tokens("projector output")]
    )
    table = here.subject.model.get_input_embeddings().weight.detach()
    words = (table / table.norm(dim=-1, keepdim=True)).mean(0)
    gap = found[(found["measure"] == "gap") & (found["other"] == "vocabulary")]["value"].item()
    assert gap == pytest.approx(float((tokens.mean(0) - words).norm()), rel=1e-4)
    assert found["contents"].unique().tolist() == [6]


def test_a_random_copy_disturbs_nothing(subject: ModelSubject) -> None:
    weights, state = weights_hash(subject.model), torch.random.get_rng_state()
    hashes = []
    for seed in (0, 0, 1):
        with random_copy(subject, seed) as twin:
            hashes.append(weights_hash(twin.model))
            assert type(twin.model) is type(subject.model)
            assert twin.model.dtype == subject.model.dtype
            assert not twin.model.training
    assert hashes[0] == hashes[1] != hashes[2]
    assert weights not in hashes
    assert weights_hash(subject.model) == weights
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_copy_that_does_not_fit_is_left_out_with_the_reason(
    look: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = look()
    assert why_no_copy(here.subject) is None
    monkeypatch.setattr("eyechart.inside.random_copy.free_memory", lambda device: (1000, "the CPU"))
    look_inside(here, FILES)
    assert set(here.found("stages.parquet")["kind"]) == {"probe", "shuffled", "pixels"}
    assert here.run.read_json(SKIPPED)["skipped"].endswith("and 0.0 MB are free on the CPU")
