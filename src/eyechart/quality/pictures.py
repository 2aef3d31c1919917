"""Which pictures of a dataset are scored, and what they should get."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from eyechart.dataset.plan import UNTYPED
from eyechart.errors import EyechartError
from eyechart.quality.standin import stand_ins
from eyechart.seeds import seed_of
from eyechart.taxonomy import CLEAN

if TYPE_CHECKING:
    from eyechart.dataset import Dataset
    from eyechart.subjects.model import Pixels

SPLITS = ("test", UNTYPED)
OPINION, STAND_IN = "opinion", "stand-in"


def scored_pictures(dataset: Dataset, most: int | None, seed: int) -> pd.DataFrame:
    """Return the rows of the pictures to be scored: test, then those without a label, in their order.

    Args:
        dataset: the dataset.
        most: how many at most, drawn by the hash of their ids; None takes all.
        seed: of the draw.

    Raises:
        EyechartError: the dataset has none.
    """
    table = pd.concat([dataset.table(split) for split in SPLITS], ignore_index=True)
    if table.empty:
        raise EyechartError(
            f"{dataset.path.name} has no test pictures",
            "build it with --keep-untyped if its corpora have no distortion types",
        )
    if most is not None and most < len(table):
        rank = pd.Series([seed_of(seed, "scored", name) for name in table["image_id"]])
        table = table.loc[rank.nsmallest(most).index.sort_values()].reset_index(drop=True)
    return table


def load_pictures(dataset: Dataset, rows: pd.DataFrame) -> list[Pixels]:
    """Return the pictures of some rows, which may be of several splits, in the order of the rows."""
    found: dict[str, Pixels] = {}
    for split, part in rows.groupby("split", sort=False):
        names = part["image_id"].tolist()
        found |= zip(names, dataset.images(str(split), names), strict=True)
    return [found[name] for name in rows["image_id"]]


def targets(dataset: Dataset, table: pd.DataFrame) -> pd.DataFrame:
    """Return what each picture should get: its opinion score, or a stand-in where its corpus has none.

    Opinion scores are the dataset's: 0 to 1 between the ends of the corpus' own scale, higher is better
    whichever way the corpus counts (:class:`eyechart.corpora.corpus.Scores`). A corpus with opinion scores
    gets no stand-in, not even for its pictures without one.

    Args:
        dataset: the dataset.
        table: rows of :func:`scored_pictures`.

    Returns:
        image_id, content, corpus, distortion, level, label (None without one), target, target_kind
        ("opinion" or "stand-in").
    """
    told = table["score"].notna().groupby(table["corpus"]).transform("any")
    kept = ["image_id", "content", "corpus", "distortion", "level", "label"]
    found = table[kept].assign(target=table["score"], target_kind=OPINION)
    found["label"] = found["label"].where(found["label"] != "", None)
    without = table[~told]
    if len(without):
        test = dataset.table("test")
        clean = test[(test["distortion"] == CLEAN) & test["content"].isin(set(without["content"]))]
        by_name = without.set_index("image_id", drop=False)
        values = stand_ins(
            without,
            clean,
            lambda names: load_pictures(dataset, by_name.loc[list(names)]),
            lambda names: dataset.images("test", names),
        )
        found.loc[~told, "target"] = values
        found.loc[~told, "target_kind"] = STAND_IN
    return found
