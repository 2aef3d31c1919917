"""An image that shows nothing: the mean colour of an exam's images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.dataset import Dataset
from eyechart.dataset.ahead import ahead
from eyechart.dataset.dataset import decoded
from eyechart.progress import track
from eyechart.runs import Run
from eyechart.subjects.model import Pixels

Colour = NDArray[np.float64]

FILE = "content_free.json"


def keep_colour(run: Run, dataset: Dataset) -> None:
    """File the mean colour of the test images, each of which counts once; few are in memory at a time."""
    if run.has(FILE):
        return

    def of_one(row: dict[str, Any]) -> Colour:
        return mean_colour(decoded(row["image"]["bytes"], row["image_id"]))

    total, count = np.zeros(3), 0
    count_all = len(dataset.table("test"))
    for colour in track(ahead(of_one, dataset.rows("test")), "mean colour of the images", count_all):
        total, count = total + colour, count + 1
    run.write_json({"colour": (total / count).tolist(), "images": count}, FILE)


def colour_of(run: Run) -> Colour:
    """Return what :func:`keep_colour` filed, float64 [3], 0 to 255."""
    return np.array(run.read_json(FILE)["colour"])


def mean_colour(image: Pixels) -> Colour:
    """Return an image's mean colour, float64 [3], 0 to 255."""
    found: Colour = image.reshape(-1, 3).mean(0)
    return found


def content_free(colour: Colour, size: tuple[int, int]) -> Pixels:
    """Return an image of one colour, uint8 [height, width, 3]."""
    return np.broadcast_to(np.rint(colour).astype(np.uint8), (*size, 3)).copy()
