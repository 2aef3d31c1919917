"""Linear probes of what a stage carries: fitted on some contents, asked about others, beside their controls.

The protocol is METHODS' (Stages): folds grouped by content, so that no content is in the fit and in the
measure; every stage brought to one dimension by a PCA of the training fold; multinomial logistic regression
whose strength is chosen by inner folds grouped by content. The control of Hewitt and Liang (EMNLP 2019), the
same probe fitted on shuffled labels, must stay at chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.seeds import rng

STRENGTHS: tuple[float, ...] = (
    0.001,
    0.01,
    0.1,
    1.0,
)  # of the inverse regularisation; of equally good ones the first is taken
INNER = 3  # folds that choose the strength
SHUFFLES = 25  # most shuffles of the labels
COLUMNS = ["image_id", "content", "label", "cluster", "predicted"]

Floats = NDArray[np.floating[Any]]
Texts = NDArray[np.object_]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The images of a probe, in the order of their ids, so that no result depends on that of a table.

    Attributes:
        image_ids, labels, contents: of each image.
        asked: which images the probe is asked about; the others are only learnt from.
        order: where each image was in the tables, the asked ones first.
    """

    image_ids: Texts
    labels: Texts
    contents: Texts
    asked: Mask
    order: NDArray[np.intp]

    @classmethod
    def of(cls, asked: pd.DataFrame, learnt: pd.DataFrame | None = None) -> Rows:
        """Return the rows of images that are asked about and of images that are only learnt from.

        Args:
            asked: columns image_id, content and label.
            learnt: the same; None where only the asked ones, of other contents, are learnt from.
        """
        parts = [asked] if learnt is None else [asked, learnt]
        names = ("image_id", "label", "content")
        ids, labels, contents = (
            np.concatenate([part[name].astype(str).to_numpy(dtype=object) for part in parts])
            for name in names
        )
        is_asked = np.arange(len(ids)) < len(asked)
        order = np.lexsort((ids.astype(str), ~is_asked))
        return cls(ids[order], labels[order], contents[order], is_asked[order], order)


@dataclass(frozen=True)
class Fold:
    """Which rows a probe is asked about and which it learns from; they share no content."""

    asked: Mask
    learnt: Mask


def folds(rows: Rows, count: int, seed: int) -> Iterator[Fold]:
    """Deal the contents that are asked about to folds; each learns from every row of another content.

    Args:
        rows: the images.
        count: folds; fewer where there are fewer contents.
        seed: of the deal.

    Raises:
        EyechartError: a fold has fewer than two labels, or two contents, to learn from.
    """
    contents = np.unique(rows.contents[rows.asked])
    dealt = rng(seed, "folds of the probes").permutation(len(contents)) % min(count, len(contents))
    for number in range(dealt.max() + 1):
        held = np.isin(rows.contents, contents[dealt == number])
        fold = Fold(held & rows.asked, ~held)
        if min(len(set(rows.labels[fold.learnt])), len(set(rows.contents[fold.learnt]))) < 2:
            raise EyechartError(
                "a probe has fewer than two labels or contents to learn from",
                "look at more test images, or fit the probes on more train images",
            )
        yield fold


def probe(
    values: Floats, rows: Rows, count: int, size: int, seed: int, *purpose: str, control: bool = True
) -> pd.DataFrame:
    """Return what probes of one stage answer, fitted on true and on shuffled labels.

    The control has the strength of the probe beside it, so that only the labels differ. Its labels are
    shuffled anew for every content that it is asked about: the answers to two contents are then independent,
    as an interval by content takes them to be. (One shuffle a fold would let all contents of a fold be right
    or wrong together.) Where there are more contents than ``SHUFFLES``, some share a shuffle, and they are
    one ``cluster``.

    Args:
        values: the states of a stage, [n, d], in the order of the tables that ``rows`` was made of.
        rows: the images.
        count: outer folds.
        size: dimensions to which the stage is reduced.
        seed: of the folds and shuffles.
        purpose: what the shuffles are for, e.g. the stage's name.
        control: whether to fit on shuffled labels too.

    Returns:
        For each image that is asked about a row of kind "probe", and with ``control`` one of kind "shuffled",
        in the order of the table: columns of ``COLUMNS`` and kind.

    Raises:
        EyechartError: a state is not finite, or there is too little to learn from.
    """
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    if not np.isfinite(values).all():
        raise EyechartError(
            f"the states{' of ' if purpose else ''}{', '.join(purpose)} hold numbers that are not finite",
            "load the subject with --dtype bfloat16 or float32, whose range is wide enough",
        )
    values = values[rows.order]
    kinds = ("probe", "shuffled") if control else ("probe",)
    said: dict[str, Texts] = {kind: np.full(len(values), None, object) for kind in kinds}
    clusters = {"probe": rows.contents, "shuffled": rows.contents.copy()}
    with threadpool_limits(1):  # the matrices are small: more threads would only wait for each other
        for number, fold in enumerate(folds(rows, count, seed)):
            taught, asked = rows.labels[fold.learnt], rows.contents[fold.asked]
            known, unseen = reduced(values, fold, size)
            chosen = fitted(known, taught, rows.contents[fold.learnt])
            said["probe"][fold.asked] = chosen.predict(unseen)
            for k, part in enumerate(_parts(np.unique(asked), -(-SHUFFLES // count)) if control else []):
                draw = rng(seed, "shuffled labels", *purpose, number, k)
                other = clone(chosen).fit(known, draw.permutation(taught))
                here = fold.asked & np.isin(rows.contents, part)
                said["shuffled"][here] = other.predict(unseen[np.isin(asked, part)])
                clusters["shuffled"][here] = part[0]
    found = [_answers(rows, said[kind], clusters[kind]).assign(kind=kind) for kind in said]
    return pd.concat(found, ignore_index=True)


def reduced(values: Floats, fold: Fold, size: int) -> tuple[Floats, Floats]:
    """Bring a stage to ``size`` dimensions: standardise, PCA, standardise, all fitted on the learnt rows.

    Returns:
        The rows that are learnt from and those asked about, float32.
    """
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learnt = values[fold.learnt].astype(np.float32)
    size = min(size, *learnt.shape)
    pipeline = make_pipeline(StandardScaler(), PCA(size, random_state=0), StandardScaler())
    return pipeline.fit_transform(learnt), pipeline.transform(values[fold.asked].astype(np.float32))


def fitted(values: Floats, labels: Texts, contents: Texts) -> Any:
    """Return a logistic regression of the strength that does best in inner folds grouped by content."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold

    inner = GroupKFold(min(INNER, len(np.unique(contents))))
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": STRENGTHS}, cv=inner)
    return search.fit(values, labels, groups=contents).best_estimator_


def _parts(contents: Texts, most: int) -> list[Texts]:
    """Part a fold's contents among at most so many shuffles."""
    return [part for part in np.array_split(contents, most) if len(part)]


def _answers(rows: Rows, said: Texts, clusters: Texts) -> pd.DataFrame:
    """Return the answers about the asked images, in the order of their table."""
    columns = (rows.image_ids, rows.contents, rows.labels, clusters, said)
    table = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=rows.order)
    return table[rows.asked].sort_index()
