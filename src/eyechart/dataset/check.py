"""Look for what would make an exam dishonest: a content in two splits, a wrong label, a picture twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from eyechart.dataset.ahead import ahead
from eyechart.dataset.dataset import Dataset, decoded
from eyechart.dataset.make import pixels_sha256
from eyechart.dataset.near import Traces
from eyechart.dataset.plan import SPLITS
from eyechart.distort import Pixels
from eyechart.progress import track
from eyechart.taxonomy import LabelMap

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3  # examples per problem


def check_dataset(dataset: Dataset) -> list[str]:
    """Return every problem in words; an empty list means that none was found.

    Looked for: a content in two splits; a picture in two splits, whether with the same pixels or as a copy or
    a crop (see :class:`Traces`); the same pixels under two labels; ids that come twice; labels that the
    dataset's label map does not give; labels that a split lacks; pixels that do not match their hash.
    """
    table = whole_table(dataset)
    labels = LabelMap.of_plain(dataset.record()["label_map"])
    given = [labels.label(*pair) for pair in zip(table["corpus"], table["distortion"], strict=True)]
    problems = [
        *_several(table, "content", "split", "contents are in two splits"),
        *_several(table, "pixels_sha256", "split", "pictures are in two splits"),
        *_several(table, "pixels_sha256", "label", "pictures have two labels"),
        *_told(table.loc[table["image_id"].duplicated(), "image_id"], "ids come twice"),
        *_told(table.loc[given != table["label"], "image_id"], "labels are not those of the label map"),
    ]
    there = set(table["label"])  # a corpus need not have every label of the map
    for split in SPLITS:
        rows = table[table["split"] == split]
        lacking = [label for label in dataset.labels if label in there - set(rows["label"])]
        if lacking and len(rows):
            problems.append(f"{split} has no picture of {', '.join(lacking)}")
    return problems + _of_pictures(dataset, table)


def _of_pictures(dataset: Dataset, table: pd.DataFrame) -> list[str]:
    """Return the problems that only the pictures show; each is decoded once."""
    names, places, traces = list[str](), list[str](), Traces()
    changed: dict[str, list[str]] = {split: [] for split in SPLITS}
    for row, picture, digest in track(ahead(_opened, _rows(dataset)), "looking at pictures", len(table)):
        traces.add(picture, row["split"], row["content"])
        names.append(row["image_id"])
        places.append(row["split"])
        if digest != row["pixels_sha256"]:
            changed[row["split"]].append(row["image_id"])
    near: dict[str, str] = {}
    for first, second in traces.pairs():
        near.setdefault(
            names[second], f"{names[second]} ({places[second]}, like {names[first]} in {places[first]})"
        )
    return [
        *(
            problem
            for split, found in changed.items()
            for problem in _told(found, f"pictures of {split} do not match their hash")
        ),
        *_told(near.values(), "pictures are nearly the same as one of another split"),
    ]


def _rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    for split in SPLITS:
        yield from dataset.rows(split)


def _opened(row: dict[str, Any]) -> tuple[dict[str, Any], Pixels, str]:
    picture = decoded(row["image"]["bytes"], row["image_id"])
    return {**row, "image": None}, picture, pixels_sha256(picture)


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
