"""Is a semantic distance about the label? The same numbers with the labels exchanged within each content."""

from __future__ import annotations

import math
from itertools import permutations, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from eyechart.inside.distance import positions
from eyechart.inside.nearness import CENTRED, POOLS, RAW, Reals, margins, prefix
from eyechart.measures.coding import scores
from eyechart.seeds import rng
from eyechart.subjects.stages import PROJECTED

if TYPE_CHECKING:
    from eyechart.inside.look import Look

Ints = NDArray[np.intp]
DRAWS = 2000


def controls(look: Look) -> pd.DataFrame | None:
    """Test the distances of an arm, and the contextual ones of each layer where they were measured.

    Returns:
        One row a stage, kind of cosine, pooling and measure (``own``, ``margin``, ``right``): ``observed``
        and ``expected`` (its mean under exchange), ``p`` (see :func:`exchanged`), ``draws``.
    """
    tables = {}
    if look.run.has(look.file("distance.parquet")):
        tables[PROJECTED] = look.found("distance.parquet")
    if look.run.has(look.file("contextual.parquet")):
        found = look.found("contextual.parquet")
        tables |= {str(stage): part for stage, part in found.groupby("stage", sort=False)}
    rows = []
    for stage, table in tables.items():
        true = positions(table, look.labels)
        drawn = exchanges(true, table["content"], look.seed)
        for kind, pool in product((RAW, CENTRED), POOLS):
            near = scores(table, f"{prefix(kind, pool)}_scores")
            rows += [
                {"arm": look.arm, "stage": stage, "kind": kind, "pool": pool, "measure": measure}
                | exchanged(values, true, drawn)
                for measure, values in measures(near).items()
            ]
    return pd.DataFrame(rows) if rows else None


def measures(near: Reals) -> dict[str, Reals]:
    """Return what each measure would be if an image had each of the labels, [images, K]."""
    best = near.max(1, keepdims=True)
    return {"own": near, "margin": margins(near), "right": (near == best).astype(np.float64)}


class Exchanges(NamedTuple):
    """Labels exchanged among images.

    Attributes:
        labels: position of each image's label, [exchanges, images]; no row where nothing can be exchanged.
        exact: whether these are all the ways there are, each once.
    """

    labels: Ints
    exact: bool


def exchanges(true: Ints, contents: ArrayLike, seed: int, draws: int = DRAWS) -> Exchanges:
    """Return the labels exchanged among the images of each content.

    Where there are no more than ``draws`` ways, each of them once; else so many drawn ones.

    Args:
        true: position of each image's label, [images].
        contents: of each image, [images].
        seed: of the draws.
        draws: how many.
    """
    codes = np.unique(np.asarray(contents).astype(str), return_inverse=True)[1]
    groups = [np.flatnonzero(codes == code) for code in range(codes.max() + 1)]
    ways = math.prod(_ways(true[rows]) for rows in groups)
    if ways == 1:
        return Exchanges(np.empty((0, len(true)), np.intp), exact=True)
    if ways <= draws:
        each = [sorted(set(permutations(true[rows].tolist()))) for rows in groups]
        found = np.empty((ways, len(true)), np.intp)
        for place, chosen in enumerate(product(*each)):
            found[place, np.concatenate(groups)] = np.concatenate([np.array(one) for one in chosen])
        return Exchanges(found, exact=True)
    generator = rng(seed, "labels exchanged within content")
    found = np.tile(true, (draws, 1))
    for rows in groups:
        found[:, rows] = generator.permuted(found[:, rows], axis=1)
    return Exchanges(found, exact=False)


def _ways(labels: Ints) -> int:
    """Return in how many ways labels, some of them equal, can be laid out."""
    return math.factorial(len(labels)) // math.prod(math.factorial(n) for n in np.bincount(labels).tolist())


def exchanged(values: Reals, true: Ints, drawn: Exchanges) -> dict[str, Any]:
    """Return a measure's mean with the true labels and with exchanged ones.

    Args:
        values: the measure if an image had each of the labels, [images, K].
        true: position of each image's label.
        drawn: of :func:`exchanges`.

    Returns:
        ``observed``, ``expected``, ``draws`` and the one-sided ``p`` of "no nearer to the own label than to
        those of the same content's other images": exact if every exchange was tried, otherwise (1 + as
        large) / (1 + draws); NaN where nothing can be exchanged.
    """
    rows, draws = np.arange(len(true)), len(drawn.labels)
    observed = float(values[rows, true].mean())
    if not draws:
        return {"observed": observed, "expected": np.nan, "p": np.nan, "draws": 0}
    means = values[rows, drawn.labels].mean(1)
    close = 1e-12 * max(1.0, float(np.abs(values).max()))  # sums in another order differ in their last digit
    large = int((means >= observed - close).sum())
    p = large / draws if drawn.exact else (1 + large) / (1 + draws)
    return {"observed": observed, "expected": float(means.mean()), "p": p, "draws": draws}
