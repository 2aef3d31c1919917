"""Patching and swapping as steps of the look: what they file, for which arms."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from eyechart.dataset import Dataset, DatasetConfig, build_dataset  # noqa: E402
from eyechart.inside import InsideConfig, Look  # noqa: E402
from eyechart.inside.causal import effects, patching  # noqa: E402
from eyechart.inside.shapley import attribution, swapping  # noqa: E402
from eyechart.runs import Run  # noqa: E402
from eyechart.subjects.components import COMPONENTS, components  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return a small dataset."""
    config = DatasetConfig(name="tiny", train_images=8, test_contents=3, levels=(3, 5))
    return build_dataset(config, tmp_path_factory.mktemp("datasets"))


def look(
    folder: Path, arm: str, subject: ModelSubject, dataset: Dataset, base: Callable[[], ModelSubject] | None
) -> Look:
    run = Run.create(folder, {"subject": "tiny"})
    run.write_json({"engine": {"scheme": "shared"}}, f"arms/{arm}/exam.json")
    config = InsideConfig(every=1, pairs=9, swap_images=12, batch=5)
    return Look.of(run, arm, subject, dataset, config, 0, base)


def test_pairs_of_a_dataset_are_patched(tmp_path: Path, internvl: ModelSubject, dataset: Dataset) -> None:
    found = patching(look(tmp_path / "run", "base", internvl, dataset, None))
    assert found is not None
    assert found["stage"].drop_duplicates().tolist() == ["projector output", "language 1", "language 2"]
    assert found["image_id"].nunique() == 9
    assert found["content"].nunique() == 3
    assert found["label"].nunique() == 7
    assert found["clean_id"].str.contains("/none/0/").all()
    strongest = found["image_id"].drop_duplicates().str.contains("/5/")
    assert strongest.sum() >= 7
    ends = effects(found).query("positions == 'image' and order == 0")
    assert ends["effect"].tolist() == [1, 1]


def test_a_dataset_without_clean_images_has_no_pairs(
    tmp_path: Path, internvl: ModelSubject, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Dataset.table
    monkeypatch.setattr(Dataset, "table", lambda self, split: whole(self, split).query("label != 'clean'"))
    assert patching(look(tmp_path / "run", "base", internvl, dataset, None)) is None


def test_components_of_a_tuned_arm_are_swapped(
    tmp_path: Path, internvl: ModelSubject, dataset: Dataset
) -> None:
    tuned = copy.deepcopy(internvl)
    for part in ("projector", "language"):
        for parameter in components(tuned.model)[part].values():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    seen = look(tmp_path / "run", "all", tuned, dataset, lambda: internvl)
    found = swapping(seen)
    assert found is not None
    assert len(found) == 12 * 8
    assert found["image_id"].nunique() == 12
    assert found["content"].nunique() == 3
    assert found["label"].nunique() == 8
    assert set(found["changed"]) == {"projector+language"}
    assert attribution(seen) is None
    seen.run.write_table(found, seen.file("swap.parquet"))
    values = attribution(seen)
    assert values is not None
    overall = values[values["label"] == "overall"].set_index("component")
    assert overall.loc[list(COMPONENTS), "value"].sum() == pytest.approx(overall.loc["gain", "value"])
    assert overall.loc["language", "shared"] == "model.language_model.embed_tokens.weight is lm_head.weight"
    assert overall.loc["vision", "value"] == 0


def test_the_untuned_subject_has_nothing_to_swap(
    tmp_path: Path, internvl: ModelSubject, dataset: Dataset
) -> None:
    seen = look(tmp_path / "run", "base", internvl, dataset, None)
    assert swapping(seen) is None
    assert attribution(seen) is None
