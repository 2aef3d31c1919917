"""Simulated quality scores: contents, images with an opinion, ways to a score with planted faults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from eyechart.exam.shards import folder_of, write_shard
from eyechart.quality.run import COLUMNS, KIND
from eyechart.runs import Run
from eyechart.seeds import rng

LABELS = ("blur", "noise", "jitter", "clean")


def targets(contents: int = 12, images: int = 16, seed: int = 0, kind: str = "opinion") -> pd.DataFrame:
    """Return what images should get: opinions that differ between contents and labels."""
    draw = rng(seed, "targets")
    count = contents * images
    content = np.repeat(np.arange(contents), images)
    label = np.array(LABELS, dtype=object)[np.arange(count) % len(LABELS)]
    opinion = 0.5 + draw.normal(0, 0.08, contents)[content] + draw.normal(0, 0.18, count)
    return pd.DataFrame(
        {
            "image_id": [f"{i:05d}" for i in range(count)],
            "content": [f"c{i:03d}" for i in content],
            "corpus": "photos",
            "distortion": [f"{name}_fine" for name in label],
            "level": 1,
            "label": label,
            "target": np.clip(opinion, 0, 1),
            "target_kind": kind,
        }
    )


def scores(
    table: pd.DataFrame,
    *,
    arms: Sequence[str] = ("base",),
    templates: Sequence[str] = ("one", "two"),
    noise: float = 0.1,
    shift: float = 0.0,
    bias: dict[str, float] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return scores that follow the opinions.

    Args:
        table: of :func:`targets`.
        arms: who scores.
        templates: by which wordings.
        noise: standard deviation of a single score.
        shift: how much higher each wording scores than the one before.
        bias: how much images of a label are overrated.
        seed: of the noise.
    """
    parts = []
    own = table["label"].map(bias or {}).fillna(0.0).to_numpy(np.float64)
    for arm in arms:
        for i, template in enumerate(templates):
            draw = rng(seed, "scores", arm, template)
            value = table["target"] + own + shift * i + draw.normal(0, noise, len(table))
            parts.append(
                pd.DataFrame(
                    {
                        "image_id": table["image_id"],
                        "arm": arm,
                        "template": template,
                        "template_split": "train-like" if i == 0 else "other",
                        "kind": "levels",
                        "language": "en",
                        "readout": "levels",
                        "repeat": 0,
                        "prompt": template,
                        "text": "",
                        "status": "score",
                        "score": value,
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def answers(table: pd.DataFrame, named: Any, arm: str = "base") -> pd.DataFrame:
    """Return an exam's answers in which the images are called so."""
    told = {"arm": arm, "template": "main", "template_split": "train", "readout": "choose"}
    return table[["image_id"]].assign(predicted=named, **told)


def add_scores(run: Run, kind: str = "stand-in", noise: dict[str, float] | None = None) -> None:
    """Add quality scores of every arm to a run whose arms have answered; blur is overrated by all."""
    every = [run.read_table(f"arms/{arm}/answers") for arm in run.arms()]
    images = every[0].drop_duplicates("image_id")
    wanted = images[["image_id", "content", "corpus", "distortion", "level", "label"]].reset_index(drop=True)
    draw = rng(0, "run")
    target = 1 - wanted["level"] / 7 - draw.uniform(0, 0.15, len(wanted)) * (wanted["level"] > 0)
    wanted = wanted.assign(target=target, target_kind=kind)
    run.write_table(wanted, "targets.parquet")
    for arm in run.arms():
        table = scores(
            wanted,
            arms=(arm,),
            templates=("level-rate", "level-photo", "q-align"),
            noise=(noise or {}).get(arm, 0.2),
            shift=0.05,
            bias={"blur": 0.15},
        )
        write_shard(run.path / folder_of(arm, KIND) / "00000.parquet", table, COLUMNS)
