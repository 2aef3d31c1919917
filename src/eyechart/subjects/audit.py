"""The audit of a subject's pixel path over distortions and levels, on the packaged photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.distort import Pixels, distort, find
from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.subjects.fidelity import PixelPath, fidelity, pixel_path, table

if TYPE_CHECKING:
    import pandas as pd

    from eyechart.subjects.subject import Subject


def audit(
    subject: Subject, types: Sequence[str], height: int, width: int, pictures: int
) -> tuple[PixelPath, pd.DataFrame]:
    """Return a subject's pixel path and its fidelity table, at the levels of each type's default corpus.

    Args:
        subject: an open model or a zero-shot one.
        types: names of distortions.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.
        pictures: how many photographs to pool.

    Raises:
        EyechartError: an unknown distortion, or a size that is none or larger than the photographs.
    """
    crops = list(islice(_crops(height, width), pictures)) if min(height, width) > 0 else []
    if len(crops) < pictures:
        raise EyechartError(
            f"only {len(crops)} photographs are as large as {width}x{height}", "name a smaller size"
        )
    pairs = [
        (name, level, number)
        for name in types
        for level in range(1, find(name).count + 1)
        for number in range(pictures)
    ]
    made = (
        (name, level, crops[number], distort(crops[number], name, level=level, image_id=str(number)))
        for name, level, number in track(pairs, "measuring what arrives")
    )
    return pixel_path(subject, height, width), table(fidelity(subject, made))


def _crops(height: int, width: int) -> Iterator[Pixels]:
    """Yield the middle of each photograph that is large enough."""
    for photo in packaged_photos():
        pixels = read_photo(photo.path)
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        if min(top, left) >= 0:
            yield np.ascontiguousarray(pixels[top : top + height, left : left + width])
