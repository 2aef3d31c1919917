"""What a dataset holds, in tables: pictures by corpus, label, level and split, and what was set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyechart.dataset.check import counts, whole_table
from eyechart.dataset.dataset import Dataset
from eyechart.dataset.plan import SPLITS
from eyechart.taxonomy import CLEAN

if TYPE_CHECKING:
    import pandas as pd


def overview(dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Return tables of numbers of pictures, by their titles; the first column's name stands in the index."""
    table = whole_table(dataset)
    return {
        "Pictures by corpus and split": _corpora(table),
        "Pictures by label and corpus": _labels(dataset, table),
        "Pictures by split, level and label": counts(dataset),
        "Set aside, by reason": _aside(dataset),
    }


def rates(dataset: Dataset) -> str:
    """Return chance and majority rate of the test split in words."""
    labels = dataset.table("test")["label"].value_counts()
    if labels.empty:
        return "the test split is empty"
    most = labels.max() / labels.sum()
    return (
        f"test: {len(labels)} labels have pictures, so chance is {1 / len(labels):.1%}; "
        f"always saying {labels.index[0]} is right for {most:.1%}"
    )


def _corpora(table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    corpora = {str(corpus): part for corpus, part in table.groupby("corpus")}
    rows = {name: _numbers(part) for name, part in [*corpora.items(), ("all", table)]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("corpus")


def _numbers(table: pd.DataFrame) -> dict[str, int]:
    return {
        **{split: int((table["split"] == split).sum()) for split in SPLITS},
        "all": len(table),
        "contents": table["content"].nunique(),
        "types": table.loc[table["distortion"] != CLEAN, "distortion"].nunique(),
        "scored": int(table["score"].notna().sum()),
    }


def _labels(dataset: Dataset, table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    found = pd.crosstab(table["label"], table["corpus"]).reindex(list(dataset.labels), fill_value=0)
    found["all"] = found.sum(axis=1)
    found.loc["all"] = found.sum()
    found.columns.name = None
    return found.rename_axis("label")


def _aside(dataset: Dataset) -> pd.DataFrame:
    """Return numbers of items set aside, by the reason up to its colon."""
    import pandas as pd

    aside = pd.read_csv(dataset.path / "set_aside.csv")
    reasons = aside["reason"].astype(str).str.partition(":")[0]
    return reasons.value_counts().rename_axis("reason").to_frame("items")
