"""Which parts of a picture lie near its label's word, drawn over it, before and after tuning."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.report.part import Drawn, Part, drawn
from eyechart.report.tables import records

_ACROSS = 2  # pictures side by side
_READING = (
    "Centred cosine of each visual token with its own label's word, over the part of the picture that the "
    "token stands for; blue is near, red is far. Tokens have looked at the whole picture, so that what is "
    "near need not be where the distortion is."
)


def map_part(maps: pd.DataFrame | None, arms: Sequence[str]) -> Part | None:
    """Return the section on maps of the tokens; None where none were made.

    Args:
        maps: of :func:`eyechart.inside.maps.maps`, of all arms.
        arms: the untuned arm and the best one.
    """
    if maps is None:
        return None
    shown = [arm for arm in arms if arm in set(maps["arm"])]
    mine = maps[maps["arm"].isin(shown)]
    if mine.empty:
        return None
    seen = mine.groupby("image_id")["arm"].transform("nunique")
    mine = mine[seen == seen.max()]  # of arms that were looked into on other images, those that both have
    refused = sorted(set(mine["reason"]) - {""})
    drawable = mine[mine["rows"] > 0]
    if drawable.empty:
        return Part(lead=f"{refused[0].capitalize()}.", reading=_READING)
    count = drawable["image_id"].nunique()
    return Part(
        lead=f"{count} pictures, one a label, at its hardest level: how near each token lies to its word.",
        reading=_READING,
        notes=tuple(f"Of some pictures {reason}." for reason in refused),
        figures=(_figure(drawable, shown),),
    )


def _figure(maps: pd.DataFrame, arms: Sequence[str]) -> Drawn:
    images = list(dict.fromkeys(maps["image_id"]))
    found = {(row["image_id"], row["arm"]): row for row in records(maps)}
    most = max(0.05, float(np.quantile(np.abs(np.concatenate([*map(np.asarray, maps["cosines"])])), 0.98)))
    rows = -(-len(images) // _ACROSS)
    wide = 1 + len(arms)

    def draw(axes: Any) -> None:
        whole = axes.figure
        axes.remove()
        panels = whole.subplots(rows, _ACROSS * wide, squeeze=False)
        for panel in panels.flat:
            panel.set_axis_off()
        for i, image_id in enumerate(images):
            row, start = i // _ACROSS, i % _ACROSS * wide
            first = next(found[image_id, arm] for arm in arms if (image_id, arm) in found)
            picture = _read(first["image"])
            panels[row, start].imshow(picture, interpolation="none")
            panels[row, start].set_title(f"{first['label']}, level {first['level']}", fontsize=9)
            for k, arm in enumerate(arms, 1):
                if (image_id, arm) in found:
                    panels[row, start + k].imshow(
                        _overlaid(picture, found[image_id, arm], most), interpolation="none"
                    )
                    panels[row, start + k].set_title(arm, fontsize=9)
        _bar(whole, panels, most)

    means = {(arm, image_id): float(np.mean(row["cosines"])) for (image_id, arm), row in found.items()}
    words = "; ".join(
        f"{found[image_id, arm]['label']} {arm} {mean:.2f}" for (arm, image_id), mean in means.items()
    )
    caption = (
        "Each picture as it is, then with the cosines of its tokens; one scale for all. Only the part of a "
        "picture that reaches the model has tokens."
    )
    size = (9.4 if _ACROSS * wide > 4 else 7.0, 0.6 + (1.62 if _ACROSS * wide > 4 else 1.8) * rows)
    return drawn("maps", f"Cosines of tokens with the own label's word, means: {words}.", caption, size, draw)


def _read(png: bytes) -> NDArray[np.uint8]:
    """Return a picture as uint8 RGB [height, width, 3]."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        pixels: NDArray[np.uint8] = np.asarray(image.convert("RGB"))
    return pixels


def _colours(most: float) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    return ScalarMappable(Normalize(-most, most), "RdBu")


def _overlaid(picture: NDArray[np.uint8], row: dict[str, Any], most: float) -> NDArray[np.uint8]:
    """Return a picture in grey with its tokens' cosines in colour where they stand."""
    grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2)
    height, width = picture.shape[:2]
    top, bottom, left, right = row["area"]
    near = np.asarray(row["cosines"], dtype=np.float64).reshape(row["rows"], row["columns"])
    colours = _colours(most).to_rgba(near)[..., :3] * 255
    down = ((np.arange(height) + 0.5) / height - top) / (bottom - top) * row["rows"]
    across = ((np.arange(width) + 0.5) / width - left) / (right - left) * row["columns"]
    inside = ((down >= 0) & (down < row["rows"]))[:, None] & ((across >= 0) & (across < row["columns"]))
    y = np.clip(down, 0, row["rows"] - 1).astype(int)
    x = np.clip(across, 0, row["columns"] - 1).astype(int)
    strength = 0.62 * inside[..., None]
    found: NDArray[np.uint8] = np.rint((1 - strength) * grey + strength * colours[y][:, x]).astype(np.uint8)
    return found


def _bar(whole: Any, panels: Any, most: float) -> None:
    bar = whole.colorbar(_colours(most), ax=panels, orientation="vertical", fraction=0.02, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("centred cosine")
