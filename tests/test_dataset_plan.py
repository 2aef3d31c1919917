"""Plans of datasets: balanced, with ids that are unique; impossible configurations are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.dataset import DatasetConfig
from eyechart.dataset.config import STUDY_TYPES
from eyechart.dataset.plan import SPLITS, Photos, Scene, plan
from eyechart.errors import EyechartError
from eyechart.taxonomy import CLEAN, load_label_map


@settings(max_examples=20, deadline=None)
@given(
    images=st.integers(0, 500),
    crops=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    levels=st.sets(st.integers(1, 5), min_size=1),
)
def test_a_plan_is_balanced_and_its_ids_are_unique(
    images: int, crops: int, share: float, levels: set[int]
) -> None:
    config = DatasetConfig.of(
        train_images=images, crops_per_distorted=crops, dead_leaves_share=share, levels=sorted(levels)
    )
    scenes = [Scene(f"{split}{k}", "photos", split, Path("p")) for split in SPLITS for k in range(3)]
    tasks = plan(config, Photos(tuple(scenes), (), ""), load_label_map("paper8"))
    made = [
        (
            task.scene.split,
            cell.label,
            cell.level,
            f"{task.scene.content}/{cell.types[:1]}/{cell.level}/{number}",
        )
        for task in tasks
        for cell in task.cells
        for number, _ in cell.crops
    ]
    assert len({name for *_, name in made}) == len(made)
    train = pd.Series([label for split, label, *_ in made if split == "train"], dtype=str).value_counts()
    assert train.sum() == images
    assert images < 8 or train.max() - train.min() <= 1
    test = [(label, level) for split, label, level, _ in made if split == "test" and level]
    assert pd.Series(test).value_counts().tolist() == [3] * (7 * len(levels))
    drawn = [task.scene.path is None for task in tasks if task.scene.split == "train"]
    assert abs(sum(drawn) - share * len(drawn)) < 1


def test_types_occur_evenly_in_the_default_exam() -> None:
    config = DatasetConfig()
    scenes = tuple(Scene(f"t{k}", "photos", "test", Path("p")) for k in range(12))
    tasks = plan(
        config.model_copy(update={"train_images": 0}), Photos(scenes, (), ""), load_label_map("paper8")
    )
    first = pd.Series([cell.types[0] for task in tasks for cell in task.cells if cell.types])
    assert first.value_counts()[["gaussian_blur", "lens_blur", "motion_blur"]].tolist() == [20, 20, 20]
    assert first.value_counts()[["jpeg", "jpeg2000"]].tolist() == [30, 30]


def test_types_restrict_what_is_made_and_labels_without_type_are_not_asked() -> None:
    scenes = tuple(Scene(f"{split}{k}", "photos", split, Path("p")) for split in SPLITS for k in range(2))
    labels = load_label_map("paper8")

    def made(**given: Any) -> tuple[set[str], set[str]]:
        config = DatasetConfig.of(train_images=400, **given)
        cells = [cell for task in plan(config, Photos(scenes, (), ""), labels) for cell in task.cells]
        return {kind for cell in cells for kind in cell.types}, {cell.label for cell in cells}

    assert made(types=("jpeg", "jitter")) == ({"jpeg", "jitter"}, {"compression", "jitter", "clean"})
    assert made() == (set(STUDY_TYPES), set(labels.labels))
    every = {kind for label in labels.labels for kind in labels.distortions("photos", label)} - {CLEAN}
    assert made(types="all") == (every, set(labels.labels))
    assert every > set(STUDY_TYPES)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"crops": 3}, "crops"),
        ({"levels": (1, 6)}, "levels"),
        ({"levels": (1, 1)}, "levels"),
        ({"crop": 8}, "crop"),
        ({"name": "../up"}, "name"),
        ({"test_per_cell": 9}, "clean_per_content"),
        ({"dead_leaves_share": 2}, "dead_leaves_share"),
    ],
)
def test_impossible_configurations_are_told(values: dict[str, Any], told: str) -> None:
    with pytest.raises(EyechartError, match=told):
        DatasetConfig.of(**values)
