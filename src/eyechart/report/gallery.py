"""The images that a run keeps, so that its report needs no dataset."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.progress import track
from eyechart.runs import Run
from eyechart.seeds import rng

MOST = 2000  # images
PLATES = 40  # of them shown pixel for pixel
PLATE = 256  # pixels: larger plates are cut to their middle, since shrinking would hide the distortion
SIDE = 192  # pixels of a thumbnail's longer side
HEAVIEST = 6000  # bytes of a thumbnail, so that 2,000 of them stay under 16 MB on a page
_QUALITIES = (80, 60, 40, 20, 5)
_AT_ONCE = 64  # pictures in memory
Pixels = NDArray[np.uint8]


def keep_gallery(
    run: Run, table: pd.DataFrame, read: Callable[[list[str]], Sequence[Pixels]], seed: int = 0
) -> None:
    """Keep up to 2,000 images in ``gallery.parquet``, drawn evenly over labels and levels.

    Columns: image_id, image, width and height (in pixels, of the examined image). The first rows are plates,
    one per label and level: PNG without loss, of the whole image or its middle. The others are thumbnails:
    WebP with loss. Rows are in the order in which they were drawn, so that any number of the first ones is
    as even.

    Args:
        run: the run folder.
        table: rows of the examined images with image_id, label and level.
        read: given image ids in the table's order, returns their pixels, uint8 RGB [height, width, 3] each.
        seed: of the choice.
    """
    drawn = table.iloc[rng(seed, "gallery").permutation(len(table))]
    turn = drawn.groupby(["label", "level"]).cumcount()
    chosen = drawn.loc[turn.sort_values(kind="stable").index].head(MOST)
    first = (chosen.groupby(["label", "level"]).cumcount() == 0).to_numpy()
    plates = set(chosen.loc[first, "image_id"].head(PLATES).astype(str))
    rows = [
        {
            "image_id": name,
            "image": _plate(pixels) if name in plates else _thumbnail(pixels),
            "width": pixels.shape[1],
            "height": pixels.shape[0],
        }
        for name, pixels in track(_each(chosen.sort_index(), read), "gallery", len(chosen))
    ]
    place = {str(name): i for i, name in enumerate(chosen["image_id"])}
    rows.sort(key=lambda row: place[str(row["image_id"])])
    run.write_table(pd.DataFrame(rows), "gallery.parquet")


def _each(
    chosen: pd.DataFrame, read: Callable[[list[str]], Sequence[Pixels]]
) -> Iterator[tuple[str, Pixels]]:
    """Yield the name and pixels of each image, read a few at a time in the table's order."""
    names = [str(name) for name in chosen["image_id"]]
    for start in range(0, len(names), _AT_ONCE):
        ids = names[start : start + _AT_ONCE]
        yield from zip(ids, read(ids), strict=True)


def _plate(pixels: Pixels) -> bytes:
    from PIL import Image

    height, width = pixels.shape[:2]
    top, left = max(0, (height - PLATE) // 2), max(0, (width - PLATE) // 2)
    stream = io.BytesIO()
    cut = np.ascontiguousarray(pixels[top : top + PLATE, left : left + PLATE])
    Image.fromarray(cut).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _thumbnail(pixels: Pixels) -> bytes:
    """Return an image of 192 pixels at most as WebP, at the best quality that keeps it light."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    for quality in _QUALITIES:
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=quality)
        if stream.tell() <= HEAVIEST:
            break
    return stream.getvalue()
