"""The audit of a subject's pixel path over distortions and levels, on the packaged photographs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.distort import Pixels, distort, find, registry
from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.subjects.fidelity import PixelPath, fidelity, pixel_path, table

if TYPE_CHECKING:
    import pandas as pd

    from eyechart.subjects.model import ModelSubject


def audit(subject: ModelSubject, types: str, size: str, pictures: int) -> tuple[PixelPath, pd.DataFrame]:
    """Return a subject's pixel path and its fidelity table.

    Args:
        subject: an open model with its processor.
        types: names of distortions with commas between them, or ``all``.
        size: "WIDTHxHEIGHT" in pixels.
        pictures: how many photographs to pool.

    Raises:
        EyechartError: an unknown distortion, or a size that is none or larger than the photographs.
    """
    names = list(registry()) if types == "all" else [find(name.strip()).name for name in types.split(",")]
    found = re.fullmatch(r"(\d+)\s*x\s*(\d+)", size)
    if not found:
        raise EyechartError(f"{size!r} is no size", "write WIDTHxHEIGHT, e.g. 512x384")
    width, height = int(found[1]), int(found[2])
    crops = list(islice(_crops(height, width), pictures))
    if len(crops) < pictures:
        raise EyechartError(f"{len(crops)} photographs are as large as {size}", "name a smaller size")
    pairs = [(name, level, crop) for name in names for level in range(1, 6) for crop in crops]
    made = (
        (name, level, crop, distort(crop, name, level=level, image_id=f"{i % pictures}"))
        for i, (name, level, crop) in enumerate(track(pairs, "measuring what arrives"))
    )
    return pixel_path(subject, height, width), table(fidelity(subject, made))


def _crops(height: int, width: int) -> Iterator[Pixels]:
    """Yield the middle of each photograph that is large enough."""
    for photo in packaged_photos():
        pixels = read_photo(photo.path)
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        if min(top, left) >= 0:
            yield np.ascontiguousarray(pixels[top : top + height, left : left + width])
