"""Pairs of a clean and a distorted image of the same crop of one content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import pandas as pd

from eyechart.distort import psnr
from eyechart.inside.spread import spread
from eyechart.progress import track
from eyechart.subjects.model import Pixels
from eyechart.taxonomy import CLEAN

_TRIES = 10  # images that are tried for each pair
Load = Callable[[Sequence[str]], list[Pixels]]  # images by their ids


def find_pairs(table: pd.DataFrame, clean: pd.DataFrame, load: Load, count: int) -> pd.DataFrame:
    """Return pairs, spread over labels and contents, the strongest levels first.

    A dataset says of every distorted image how far it is from the clean image of the same crop (``psnr``).
    The one of its content's clean images that is exactly so far from it is its partner.

    Args:
        table: the images that are looked at.
        clean: images among which the partners are.
        load: gives the images.
        count: how many pairs at most.

    Returns:
        One row a pair: image_id, content, label, distortion, level, height, width of the distorted image,
        and clean_id. Images without a partner are left out.
    """
    clean = clean[clean["distortion"] == CLEAN]
    table = table[(table["distortion"] != CLEAN) & table["psnr"].map(isfinite)]
    table = table[table["content"].isin(clean["content"])]
    ordered = spread(table.sort_values("level", ascending=False, kind="stable"))
    columns = ["image_id", "content", "label", "distortion", "level", "height", "width"]
    tried: list[Any] = ordered.head(_TRIES * count)[[*columns, "psnr"]].to_dict("records")
    rows: list[dict[str, Any]] = []
    for row in track(tried, "finding clean partners", len(tried)):
        if len(rows) == count:
            break
        partner = _partner(row, clean, load)
        if partner is not None:
            rows.append({name: row[name] for name in columns} | {"clean_id": partner})
    return pd.DataFrame(rows, columns=[*columns, "clean_id"])


def _partner(row: dict[str, Any], clean: pd.DataFrame, load: Load) -> str | None:
    """Return the clean image of the same crop."""
    near = clean[clean["content"] == row["content"]]
    near = near[(near["height"] == row["height"]) & (near["width"] == row["width"])]
    names = near["image_id"].tolist()
    image, *candidates = load([row["image_id"], *names])
    same = (n for n, one in zip(names, candidates, strict=True) if abs(psnr(image, one) - row["psnr"]) < 1e-6)
    return next(same, None)
