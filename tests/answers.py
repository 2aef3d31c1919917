"""Answers tables with every column that the measures read, for their tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

ABC = ("a", "b", "c")


def answers(
    label: Sequence[str],
    predicted: Sequence[str | None],
    *,
    content: Sequence[str] | None = None,
    readout: str = "choose",
    template: str = "t",
    split: str = "train",
    kind: str = "word list",
    language: str = "en",
    order: int = 0,
    repeat: int = 0,
    arm: str = "base",
) -> pd.DataFrame:
    """Return one row an image, in the order given; each image is its own content unless told otherwise."""
    n = len(label)
    named = pd.Series(list(predicted), dtype=object)
    table = pd.DataFrame(
        {
            "image_id": [f"image {i:05d}" for i in range(n)],
            "content": list(content) if content is not None else [f"content {i:05d}" for i in range(n)],
            "corpus": "photos",
            "distortion": [f"fine {name}" for name in label],
            "level": [1 + i % 3 for i in range(n)],
            "label": list(label),
        }
    )
    return table.assign(
        arm=arm,
        template=template,
        template_split=split,
        kind=kind,
        language=language,
        order=order,
        readout=readout,
        repeat=repeat,
        predicted=named,
        text=named.fillna("hm").astype(str),
        correct=(named == table["label"]).to_numpy(dtype=bool),
    )


def scored(label: Sequence[str], logp: np.ndarray, labels: Sequence[str] = ABC, **told: str) -> pd.DataFrame:
    """Return answers whose scores ``logp`` [n, K] decide."""
    best = [labels[i] for i in logp.argmax(axis=1)]
    return answers(label, best, **told).assign(logp=list(logp))  # type: ignore[arg-type]
