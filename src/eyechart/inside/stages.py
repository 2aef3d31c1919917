"""The ladder: how well a probe names the distortion at each stage, beside its controls."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.exam.blocks import blocks
from eyechart.inside.config import InsideConfig
from eyechart.inside.identity import digest, images_identity
from eyechart.inside.probes import Rows, probe
from eyechart.inside.random_copy import random_copy, why_no_copy
from eyechart.inside.reading import BLOCK, read_states
from eyechart.inside.store import States
from eyechart.measures.statistics import cluster_interval
from eyechart.progress import track

if TYPE_CHECKING:
    from eyechart.inside.look import Look

CONTROLS = "controls"  # the folder of the run for what is the same for all its arms
SKIPPED = f"{CONTROLS}/random_weights.json"
PIXELS = "pixel statistics"  # the stage of the ten features
COLUMNS = ["image_id", "content", "label", "cluster", "stage", "order", "kind", "predicted"]


def probes(look: Look) -> pd.DataFrame:
    """Probe every stage of an arm, and its controls (see :func:`eyechart.inside.probes.probe`).

    Returns:
        One row an image, stage and kind: image_id, content, label, cluster (what an interval takes for
        independent: the content, or all that share a shuffle), stage, order (of the stages; -1 for pixels),
        kind and predicted. Kinds: ``probe``; ``shuffled``, its control with shuffled labels; ``random``, the
        same stages of a copy with random weights; ``pixels``, ten features of the pixels instead of states.
        A copy that the memory does not hold is left out, and ``controls/random_weights.json`` says why.
    """
    own = _of_stages(look, look.states, look.fit_states, f"{look.arm}: probing stages")
    parts = [own[COLUMNS], _shared(look, "pixels", _pixels), _shared(look, "random", _random)]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def stages(look: Look) -> pd.DataFrame:
    """Return the accuracy of the probes that :func:`probes` has filed.

    Returns:
        One row a stage and kind: arm, stage, order, kind, accuracy with its 95 % interval by cluster (low,
        high), n, contents, and ``chance``: the accuracy of the same answers given without looking, the sum
        over labels of their share of the images times their share of the answers.
    """
    rows = []
    found = look.found("probes.parquet")
    for (order, stage, kind), part in found.groupby(["order", "stage", "kind"], sort=False):
        correct = (part["predicted"] == part["label"]).astype(float)
        level = cluster_interval(correct, part["cluster"], seed=look.seed)
        rows.append({
            "arm": look.arm, "stage": stage, "order": order, "kind": kind, "accuracy": level.value, "low":
            level.low, "high": level.high, "n": len(part), "contents": part["content"].nunique(),
            "chance": _chance(part),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _chance(part: pd.DataFrame) -> float:
    true, said = (part[name].value_counts(normalize=True) for name in ("label", "predicted"))
    return float((true * said.reindex(true.index, fill_value=0.0)).sum())


def _of_stages(look: Look, asked: States, learnt: States, what: str, *, control: bool = True) -> pd.DataFrame:
    """Probe every stage of some states, as many at a time as there are cores."""
    from joblib import Parallel, delayed

    rows = Rows.of(look.table, look.fit_table)
    tasks = (
        delayed(_probed)(
            np.concatenate([asked.pooled(stage), learnt.pooled(stage)]),
            *(rows, look.config, look.seed, stage, control),
        )
        for stage in asked.names
    )
    found = Parallel(n_jobs=-1, return_as="generator")(tasks)
    parts: list[pd.DataFrame] = list(track(found, what, len(asked.names)))
    named = enumerate(zip(asked.names, parts, strict=True))
    return pd.concat(
        [part.assign(stage=stage, order=order) for order, (stage, part) in named], ignore_index=True
    )


def _probed(
    values: NDArray[np.floating], rows: Rows, config: InsideConfig, seed: int, stage: str, control: bool
) -> pd.DataFrame:
    return probe(values, rows, config.folds, config.components, seed, stage, control=control)


def _shared(look: Look, name: str, make: Callable[[Look, Path], pd.DataFrame]) -> pd.DataFrame:
    """Return a control that is the same for every arm of the run, made by the first that asks for it.

    Args:
        look: the arm that asks.
        name: of the control.
        make: given a folder for what it reads on the way, which is removed once the control is filed.
    """
    images = (images_identity(look.table), images_identity(look.fit_table))
    settings = sorted(look.config.model_dump(include={"every", "batch", "folds", "components"}).items())
    model = sorted((key, value) for key, value in look.identity.items() if key != "weights")
    path = f"{CONTROLS}/{name}-{digest(images, settings, model, look.seed)[:16]}"
    if not look.run.has(f"{path}.parquet"):
        look.run.write_table(make(look, look.run.path / path), f"{path}.parquet")
        shutil.rmtree(look.run.path / path, ignore_errors=True)
    return look.run.read_table(f"{path}.parquet")


def _pixels(look: Look, _: Path) -> pd.DataFrame:
    """Probe ten features of the pixels, their squares and products: as many numbers as a stage is reduced to.

    With the ten alone the baseline would have a sixth of the probes' numbers, and be too easily beaten.
    """
    from sklearn.preprocessing import PolynomialFeatures

    from eyechart.measures.pixel_features import pixel_features

    features = pixel_features(
        image
        for split, table in (("test", look.table), ("train", look.fit_table))
        for part in track(blocks(len(table), BLOCK), f"pixel statistics, {split} images")
        for image in look.dataset.images(split, table["image_id"].iloc[part.start : part.stop])
    )
    values = PolynomialFeatures(2, include_bias=False).fit_transform(features)
    rows = Rows.of(look.table, look.fit_table)
    found = _probed(values, rows, look.config, look.seed, PIXELS, control=False)
    return found.assign(stage=PIXELS, order=-1, kind="pixels")[COLUMNS]


def _random(look: Look, folder: Path) -> pd.DataFrame:
    """Probe a copy of the subject with random weights, read as the subject is."""
    reason = why_no_copy(look.subject)
    if reason is not None:
        look.run.write_json({"skipped": reason}, SKIPPED)
        look.say(f"control with random weights: left out, {reason}")
        return pd.DataFrame(columns=COLUMNS)
    with random_copy(look.subject, look.seed) as twin:
        test, train = (
            read_states(
                folder / split,
                twin,
                table,
                partial(look.dataset.images, split),
                look.question,
                look.config,
                tokens=False,
                what=f"random weights: {split} images",
                say=look.say,
            )
            for split, table in (("test", look.table), ("train", look.fit_table))
        )
    found = _of_stages(look, test, train, "random weights: probing stages", control=False)
    return found.assign(kind="random")[COLUMNS]
