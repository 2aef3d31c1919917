"""Look for what would make an exam dishonest: a content in two splits, a wrong label, a picture twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyechart.dataset.dataset import Dataset
from eyechart.dataset.make import pixels_sha256
from eyechart.dataset.plan import SPLITS

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3  # examples per problem


def check_dataset(dataset: Dataset) -> list[str]:
    """Return every problem in words; an empty list means that none was found.

    Looked for: a content in two splits; the same pixels in two splits or under two labels; ids that come
    twice; labels that the dataset's label map does not give; labels without a picture; pixels that do not
    match their hash.
    """
    table = whole_table(dataset)
    entries = dataset.record()["label_map"]["entries"]
    given = (table["corpus"] + "/" + table["distortion"]).map(entries)
    wrong = table.loc[given != table["label"], "image_id"]
    problems = [
        *_several(table, "content", "split", "contents are in two splits"),
        *_several(table, "pixels_sha256", "split", "pictures are in two splits"),
        *_several(table, "pixels_sha256", "label", "pictures have two labels"),
        *_told(table.loc[table["image_id"].duplicated(), "image_id"], "ids come twice"),
        *_told(wrong, "labels are not those of the label map"),
    ]
    for split in SPLITS:
        rows = table[table["split"] == split]
        lacking = [label for label in dataset.labels if label not in set(rows["label"])]
        if lacking and len(rows):
            problems.append(f"{split} has no picture of {', '.join(lacking)}")
        changed = [
            row.image_id
            for row, image in zip(rows.itertuples(), dataset.images(split, rows["image_id"]), strict=True)
            if pixels_sha256(image) != row.pixels_sha256
        ]
        problems += _told(changed, f"pictures of {split} do not match their hash")
    return problems


def counts(dataset: Dataset) -> pd.DataFrame:
    """Return the number of pictures: one row per split and level, one column per label."""
    import pandas as pd

    table = whole_table(dataset)
    order = pd.Categorical(table["split"], SPLITS, ordered=True)
    found = pd.crosstab([order, table["level"]], table["label"], rownames=["split", "level"])
    return found.reindex(columns=list(dataset.labels), fill_value=0)


def whole_table(dataset: Dataset) -> pd.DataFrame:
    """Return the tables of all splits, one below the other."""
    import pandas as pd

    return pd.concat([dataset.table(split) for split in SPLITS], ignore_index=True)


def _several(table: pd.DataFrame, key: str, value: str, told: str) -> list[str]:
    """Tell of keys that occur with more than one value."""
    numbers = table.groupby(key)[value].nunique()
    several = set(numbers.index[numbers > 1])
    name = "content" if key == "content" else "image_id"
    return _told(table.loc[table[key].isin(several), name].unique(), told)


def _told(names: object, told: str) -> list[str]:
    found = [str(name) for name in names]  # type: ignore[attr-defined]
    if not found:
        return []
    more = ", ..." if len(found) > _SHOWN else ""
    return [f"{len(found)} {told}: {', '.join(found[:_SHOWN])}{more}"]
