"""The ladder: how well a linear probe names the distortion at each stage, beside shuffled labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.inside.config import InsideConfig
from eyechart.measures.statistics import cluster_interval
from eyechart.progress import track
from eyechart.seeds import rng

if TYPE_CHECKING:
    from eyechart.inside.look import Look

Features = dict[str, NDArray[np.float32]]


def ladder(look: Look) -> pd.DataFrame:
    """Probe every stage: fitted on train contents, measured on test contents, which are others.

    Returns:
        One row a stage and kind (``probe``, ``shuffled``, ``pixels``): accuracy with its 95 % interval by
        content, n, contents.
    """
    states = {
        name: np.concatenate([look.fit_states.pooled(name), look.states.pooled(name)])
        for name in look.states.names
    }
    found = probe_stages(states, look.arm, look.fit_table, look.table, look.config, look.seed)
    pixels = look.run.read_table("baselines.parquet").query("baseline == 'pixel statistics'")
    pixels = pixels[pixels["image_id"].isin(look.table["image_id"])]
    level = cluster_interval(pixels["correct"].astype(float), pixels["content"], seed=look.seed)
    row = {"arm": look.arm, "stage": "pixel statistics", "order": -1, "kind": "pixels", "n": len(pixels)}
    row |= {"accuracy": level.value, "low": level.low, "high": level.high}
    return pd.concat([found, pd.DataFrame([row | {"contents": pixels["content"].nunique()}])])


def probe_stages(
    states: Features, arm: str, train: pd.DataFrame, test: pd.DataFrame, config: InsideConfig, seed: int
) -> pd.DataFrame:
    """Fit and measure the probes; ``states`` holds the train rows first, then the test rows."""
    labels, contents = train["label"].to_numpy(), train["content"].to_numpy()
    shuffled = rng(seed, "shuffled labels").permutation(labels)
    size = min([config.components, len(train) - 1, *(s.shape[1] for s in states.values())])
    result = []
    for order, (stage, values) in enumerate(track(states.items(), f"{arm}: probing stages", len(states))):
        known, unseen = _reduce(values[: len(train)], values[len(train) :], size)
        strength = _choose_strength(known, labels, contents)
        for kind, taught in (("probe", labels), ("shuffled", shuffled)):
            predicted = _probe(strength).fit(known, taught).predict(unseen)
            correct = (predicted == test["label"].to_numpy()).astype(float)
            found = cluster_interval(correct, test["content"].to_numpy(), seed=seed)
            result.append({
                "arm": arm, "stage": stage, "order": order, "kind": kind, "accuracy": found.value, "low":
                found.low, "high": found.high, "n": len(correct), "contents": test["content"].nunique(),
            })  # fmt: skip
    return pd.DataFrame(result)


def _reduce(
    train: NDArray[np.float32], test: NDArray[np.float32], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring a stage to ``size`` dimensions: standardise, PCA, standardise, all fitted on the train rows."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), PCA(size, random_state=0), StandardScaler())
    return pipeline.fit_transform(train.astype(np.float64)), pipeline.transform(test.astype(np.float64))


def _probe(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=1000)


def _choose_strength(values: NDArray[np.float64], labels: Any, contents: Any) -> float:
    """Return the inverse regularisation that does best in inner folds grouped by content."""
    from sklearn.model_selection import GroupKFold, cross_val_score

    folds = GroupKFold(min(3, len(set(contents))))
    scores = {
        strength: cross_val_score(_probe(strength), values, labels, groups=contents, cv=folds).mean()
        for strength in (0.003, 0.03, 0.3)
    }
    return max(scores, key=lambda strength: scores[strength])
