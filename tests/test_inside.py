"""The ladder finds a planted signal and no absent one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import tiny

from eyechart.inside.config import InsideConfig
from eyechart.inside.stages import probe_stages

K = len(tiny.LABELS)


def table(count: int, contents: int = 4) -> pd.DataFrame:
    rows = np.arange(count)
    return pd.DataFrame(
        {
            "image_id": [f"i{k}" for k in rows],
            "content": [f"c{k % contents}" for k in rows],
            "label": [tiny.LABELS[k // contents % K] for k in rows],
            "distortion": "x",
            "level": 1,
        }
    )


def probed(strength: float, seed: int = 0) -> dict[Any, Any]:
    """Probe features that carry the label with a strength, beside a strong trace of the content."""
    draw = np.random.default_rng(seed)
    train, test = table(360, contents=9), table(160, contents=8).assign(content=lambda t: "t" + t["content"])
    rows = pd.concat([train, test], ignore_index=True)
    signal = draw.normal(size=(K, 40))[[tiny.LABELS.index(label) for label in rows["label"]]]
    trace = draw.normal(size=(rows["content"].nunique(), 40))[pd.factorize(rows["content"])[0]]
    values = strength * signal + trace + draw.normal(size=(len(rows), 40))
    config = InsideConfig(components=20)
    found = probe_stages({"stage": values.astype(np.float32)}, "base", train, test, config, seed)
    return {row["kind"]: row for row in found.to_dict("records")}


def test_ladder_finds_a_planted_signal() -> None:
    found = probed(3.0)
    assert found["probe"]["accuracy"] > 0.95
    assert found["probe"]["low"] > 0.9
    assert found["shuffled"]["accuracy"] < 0.45
    assert [(row["n"], row["contents"]) for row in found.values()] == [(160, 8), (160, 8)]


def test_ladder_does_not_find_an_absent_signal() -> None:
    accuracy = [probed(0.0, seed)["probe"]["accuracy"] for seed in range(3)]
    assert abs(np.mean(accuracy) - 1 / K) < 0.08
