"""How long a few images of an exam take, measured: the best foresight where weights are at hand."""

from __future__ import annotations

import time

import numpy as np

from eyechart.dataset import Dataset
from eyechart.exam.config import ExamConfig
from eyechart.exam.engine import Scheme
from eyechart.exam.examiner import Examiner
from eyechart.subjects.model import ModelSubject

SPLIT = "test"
_IMAGES = 4
HOW = f"measured on {_IMAGES} images"


def seconds_of_an_image(
    subject: ModelSubject, dataset: Dataset, config: ExamConfig, scheme: Scheme = "shared"
) -> float:
    """Return the seconds that one image of an exam takes.

    Args:
        subject: the model with its weights.
        dataset: what it is asked about.
        config: what it is asked.
        scheme: how it is asked.
    """
    table = dataset.table(SPLIT)
    first = table.iloc[:1]
    alike = table[(table["height"] == first["height"].item()) & (table["width"] == first["width"].item())]
    shown = dataset.images(SPLIT, alike["image_id"].iloc[:_IMAGES])
    examiner = Examiner(subject, "base", dataset.labels, config, np.zeros(3), seed=0)
    examiner.scheme = scheme
    rows = alike.iloc[: len(shown)]
    examiner.answer(rows.iloc[:1], shown[:1])  # what is loaded or settled at the first use
    begun = time.perf_counter()
    examiner.answer(rows, shown)
    return (time.perf_counter() - begun) / len(shown)
