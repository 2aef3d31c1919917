"""What reaches the model, in the shape that the page shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from eyechart.report.numbers import percent
from eyechart.report.views import Cell, Grid
from eyechart.subjects.capabilities import is_endpoint
from eyechart.subjects.fidelity import INVISIBLE_PSNR

_IDENTICAL = "equals the picture"
_AUDIT = "Where the model is open, audit it: eyechart subjects fidelity MODEL."
_SENT = (
    "Each image was sent without loss, as PNG in its own size. What the server then does to its pixels (most "
    "resize them) cannot be seen from here: a distortion may be lost before the model. " + _AUDIT
)
_ELSEWHERE = (
    "These answers were given elsewhere: what the model saw of each image, and of its distortion, is not "
    "known here. " + _AUDIT
)


def fidelity_grid(found: pd.DataFrame) -> Grid:
    """Return the share of each distortion's energy that arrives, by level, with the PSNR behind the path."""
    levels = sorted(found["level"].unique())
    rows = []
    for name, part in found.groupby("distortion", sort=True):
        by_level = {row["level"]: row for row in part.to_dict("records")}
        rows.append((str(name), tuple(_cell(by_level.get(level)) for level in levels)))
    caption = "Share of the distortion's energy that arrives, and the PSNR that is left (dB)"
    return Grid(caption, "distortion", tuple(f"level {level}" for level in levels), tuple(rows))


def out_of_sight(config: Mapping[str, Any]) -> str:
    """Return what is known of the pixels where the model is out of reach; "" where they can be audited.

    Args:
        config: the run's configuration.
    """
    if "answers" in config:
        return _ELSEWHERE
    return _SENT if is_endpoint(config.get("subject", "")) else ""


def faint(found: pd.DataFrame) -> list[str]:
    """Return the distortions and levels that can be seen in the picture, but not in what arrives."""
    lost = found[(found["psnr"] < INVISIBLE_PSNR) & ~found["visible"].astype(bool)]
    return [f"{row.distortion} at level {row.level}" for row in lost.itertuples()]


def _cell(row: dict[Any, Any] | None) -> Cell:
    if row is None:
        return Cell("–")
    if math.isinf(row["psnr"]):
        return Cell("–", title=_IDENTICAL)
    seen = f"{row['seen_psnr']:.0f} dB" if math.isfinite(row["seen_psnr"]) else "nothing"
    parts = {"luma": row["luma"], "chroma": row["chroma"]}
    parts |= {f"octave {i}": row[f"octave_{i}"] for i in range(1, 5)}
    told = ", ".join(f"{name} {percent(share)}" for name, share in parts.items() if not math.isnan(share))
    share = row["share"]
    if math.isnan(share):
        return Cell(f"–\n{seen}", title=told)
    return Cell(f"{percent(share)}\n{seen}", min(max(share, 0.0), 1.0), told)
