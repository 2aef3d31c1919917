"""Do answers depend on their batch? A few images are asked again, each alone, and what changes is counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from eyechart.exam.examiner import Examiner
from eyechart.runs import Run
from eyechart.subjects.model import Pixels

_IMAGES = 8
_KEYS = ["image_id", "prompt", "readout", "repeat"]


def asked_alone(
    run: Run,
    arm: str,
    examiner: Examiner,
    table: pd.DataFrame,
    load: Callable[[Sequence[str]], list[Pixels]],
) -> dict[str, Any]:
    """Return how the answers of a few images differ from those that they have alone (METHODS, Consistency).

    Args:
        run: the run, with the arm's answers.
        arm: whose answers they are.
        examiner: asks.
        table: the images' rows of the dataset.
        load: gives images by their ids.

    Returns:
        ``images`` asked again, spread over the dataset; ``texts`` and ``choices`` compared, greedy texts and
        chosen labels; ``texts_changed``, ``choices_changed``; ``difference``, the largest of log-likelihoods.
    """
    places = sorted({i * len(table) // _IMAGES for i in range(_IMAGES)})
    few = table.iloc[places]
    again: list[dict[str, Any]] = []
    for i, image in enumerate(load(few["image_id"].tolist())):
        again += examiner.answer(few.iloc[i : i + 1], [image])
    columns = [*_KEYS, "text", "predicted", "logp"]
    alone = pd.DataFrame(again).reindex(columns=columns)  # texts alone have no likelihoods
    wanted = [("image_id", "in", few["image_id"].tolist())]
    kept = pd.read_parquet(run.path / "arms" / arm / "answers", filters=wanted, columns=columns)
    both = alone[alone["repeat"] == 0].merge(kept, on=_KEYS, suffixes=("", "_kept"), validate="1:1")
    texts, choices = both[both["readout"] == "generate"], both[both["readout"] != "generate"]
    apart = [
        float(np.abs(np.asarray(one) - np.asarray(two)).max())
        for one, two in zip(choices["logp"], choices["logp_kept"], strict=True)
    ]
    return {
        "images": len(few),
        "texts": len(texts),
        "texts_changed": int((texts["text"] != texts["text_kept"]).sum()),
        "choices": len(choices),
        "choices_changed": int((choices["predicted"] != choices["predicted_kept"]).sum()),
        "difference": max(apart, default=0.0),
    }
