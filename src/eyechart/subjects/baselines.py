"""Two subjects without eyes: always the most frequent label, and a classifier of ten pixel statistics.

The classifier is logistic regression or gradient-boosted trees, whichever a cross-validation over the
training contents prefers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.measures.pixel_features import pixel_features
from eyechart.seeds import seed_of

MAJORITY = "majority"
PIXELS = "pixel statistics"
COLUMNS = ["image_id", "content", "label", "distortion", "level", "predicted", "correct", "baseline"]
FOLDS = 5


def baseline_answers(
    train_table: pd.DataFrame,
    train_images: Iterable[NDArray[np.uint8]],
    test_table: pd.DataFrame,
    test_images: Iterable[NDArray[np.uint8]],
    seed: int = 0,
) -> pd.DataFrame:
    """Return the answers of both baselines to the test images.

    Args:
        train_table: columns content and label, one row per training image.
        train_images: uint8 RGB images in the order of the rows.
        test_table: columns image_id, content, label, distortion and level, one row per test image.
        test_images: uint8 RGB images in the order of the rows.
        seed: of the folds and the classifier.

    Returns:
        Two rows per test image with the columns of ``COLUMNS``.

    Raises:
        EyechartError: fewer than two contents or labels to learn from, or a content in both parts.
    """
    shared = sorted(set(train_table["content"].astype(str)) & set(test_table["content"].astype(str)))
    if shared:
        raise EyechartError(
            f"The content {shared[0]!r} is in the training and in the test part.", "Split by content."
        )
    classifier = fit_pixel_classifier(
        pixel_features(train_images), _text(train_table["label"]), _text(train_table["content"]), seed
    )
    named = classifier.predict(pixel_features(test_images))
    return pd.concat(
        [majority(train_table["label"], test_table), _answers(test_table, named, PIXELS)], ignore_index=True
    )


def majority(train_labels: pd.Series[str], test_table: pd.DataFrame) -> pd.DataFrame:
    """Return the answers of a subject that always names the most frequent training label.

    Of equally frequent labels it is the first in the alphabet. One row per row of ``test_table``, with the
    columns of ``COLUMNS``.
    """
    names, counts = np.unique(_text(train_labels), return_counts=True)
    return _answers(test_table, np.repeat(names[counts.argmax()], len(test_table)), MAJORITY)


def fit_pixel_classifier(
    features: NDArray[np.float64], labels: NDArray[np.str_], contents: NDArray[np.str_], seed: int
) -> Any:
    """Return a fitted scikit-learn classifier of pixel features.

    Logistic regression at three strengths and gradient-boosted trees are compared by balanced accuracy in
    cross-validation over the training images, with folds grouped by content; the best is fitted to all of
    them.

    Args:
        features: [n, 10].
        labels: [n].
        contents: [n].
        seed: of the folds and the trees.
    """
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

    groups, kinds = len(np.unique(contents)), len(np.unique(labels))
    if min(groups, kinds) < 2:
        raise EyechartError(
            f"The pixel baseline has {groups} content(s) and {kinds} label(s) to learn from.",
            "Give a training part with at least two of each.",
        )
    state = seed_of(seed, "pixel baseline") % 2**32
    folds = StratifiedGroupKFold(min(FOLDS, groups), shuffle=True, random_state=state)
    search = GridSearchCV(*_candidates(state), scoring="balanced_accuracy", cv=folds)
    return search.fit(features, labels, groups=contents)


def _candidates(state: int) -> tuple[Any, list[dict[str, list[Any]]]]:
    """Return a pipeline and the settings of it that are compared."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    linear = LogisticRegression(max_iter=2000, class_weight="balanced")
    trees = HistGradientBoostingClassifier(max_iter=60, class_weight="balanced", random_state=state)
    model = Pipeline([("scale", StandardScaler()), ("classify", linear)])
    return model, [{"classify": [linear], "classify__C": [0.1, 1.0, 10.0]}, {"classify": [trees]}]


def _answers(test_table: pd.DataFrame, named: NDArray[np.str_], baseline: str) -> pd.DataFrame:
    table = test_table[["image_id", "content", "label", "distortion", "level"]].reset_index(drop=True)
    predicted = pd.Series(named.tolist(), dtype=object)
    return table.assign(predicted=predicted, correct=predicted == table["label"], baseline=baseline)[COLUMNS]


def _text(column: pd.Series[str]) -> NDArray[np.str_]:
    return column.to_numpy(dtype=object).astype(str)
