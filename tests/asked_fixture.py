"""A run in which everything was asked: every kind of template, orders, repeats, two languages, two arms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from run_fixture import HOSTILE, LABELS, make_run

from eyechart.exam.shards import IMAGE_COLUMNS, write_answers
from eyechart.measures.statistics import Floats
from eyechart.runs import Run
from eyechart.seeds import rng

ARMS = ("base", "projector")
SKILL = {"base": 0.3, "projector": 0.7}
TEMPLATES = (
    ("main-distortion", "open word", "en", "train"),
    ("other-words", "open word", "en", "held-out"),
    ("list-choose", "word list", "en", "train"),
    ("list-terse", "word list", "en", "held-out"),
    ("letters-what", "letters", "en", "train"),
    ("letters-exam", "letters", "en", "held-out"),
    ("json-type", "json", "en", "held-out"),
    ("zh-open", "open word", "zh", "train"),
    ("zh-letters-photo", "letters", "zh", "held-out"),
    ("yes-no-is-there", "yes-no", "en", "train"),
    (f"own {HOSTILE[1]}", "yes-no", "en", "held-out"),
)
LISTED = ("word list", "letters")
REPEATS = 5
K = len(LABELS)


def make_asked_run(path: Path, *, only: tuple[str, ...] = (), sampled: bool = True, contents: int = 8) -> Run:
    """Write a run folder.

    Args:
        path: the folder.
        only: names of templates; all without.
        sampled: if not, all repeats say one text in spite of their entropy.
        contents: how many photographs, with 24 images each.
    """
    run = make_run(path, ARMS, inside=False, contents=contents)
    for arm in ARMS:
        images = run.read_table(f"arms/{arm}/answers").drop_duplicates("image_id")[IMAGE_COLUMNS]
        parts = [
            part.assign(arm=arm, template=name, template_split=split, kind=kind, language=language)
            for name, kind, language, split in TEMPLATES
            if name in only or not only
            for part in _asked(images.reset_index(drop=True), arm, name, kind, split, sampled)
        ]
        table = pd.concat(parts, ignore_index=True)
        correct = (table["predicted"] == table["label"]).fillna(False)
        write_answers(run, arm, table.assign(correct=correct, prompt="0" * 16))
        run.write_json(_exam(arm), f"arms/{arm}/exam.json")
    return run


def _asked(
    images: pd.DataFrame, arm: str, name: str, kind: str, split: str, sampled: bool
) -> list[pd.DataFrame]:
    skill = SKILL[arm] * (1 if split == "train" or arm == "base" else 0.6)
    if kind == "yes-no":
        return [_judged(images, skill, rng(0, arm, name))]
    found = []
    for order in range(K if kind in LISTED else 1):
        logp = _scores(images, skill, rng(0, arm, name), order if kind in LISTED else None)
        found.append(_chosen(images, logp, kind, order))
        found += [
            _written(images, logp, kind, order, repeat, rng(1, arm, name, repeat if sampled else 1))
            for repeat in range(REPEATS + 1)
        ]
    return found


def _scores(images: pd.DataFrame, skill: float, draw: Any, order: int | None) -> Floats:
    """Return likelihoods that know something, like "clean", and favour the first place of a list."""
    logp: Floats = draw.normal(-4, 0.6, (len(images), K))
    own = images["label"].map(LABELS.index).to_numpy()
    logp[np.arange(len(images)), own] += np.where(draw.random(len(images)) < skill, 3.0, 0.0)
    logp[:, -1] += 0.5
    if order is not None:
        logp[:, -order % K] += 1.5  # the label that this order lists first
    return logp


def _places(predicted: pd.Series[Any], kind: str, order: int) -> pd.Series[Any]:
    known = predicted.map({label: (i + order) % K for i, label in enumerate(LABELS)})
    return (known if kind in LISTED else known * np.nan).astype("Int64")


def _chosen(images: pd.DataFrame, logp: Floats, kind: str, order: int) -> pd.DataFrame:
    predicted = pd.Series(np.array(LABELS, dtype=object)[logp.argmax(1)])
    prior = np.full(K, -4.0)
    prior[-1] += 1.5
    told = {
        "logp": logp,
        "logp_mean": logp / 2,
        "logp_first": logp,
        "logp_prior": np.tile(prior, (len(logp), 1)),
    }
    scores = {name: _lists(values) for name, values in told.items()}
    said: dict[str, Any] = {"readout": "choose", "order": order, "repeat": 0, "text": "", "status": "label"}
    return _rows(images, scores | said, predicted, kind, order)


def _lists(values: Floats) -> pd.Series[Any]:
    return pd.Series([list(row) for row in values], dtype=object)


def _rows(
    images: pd.DataFrame, said: dict[str, Any], predicted: pd.Series[Any], kind: str, order: int
) -> pd.DataFrame:
    return images.assign(**said, predicted=predicted, position=_places(predicted, kind, order))


def _written(
    images: pd.DataFrame, logp: Floats, kind: str, order: int, repeat: int, draw: Any
) -> pd.DataFrame:
    noise = draw.gumbel(size=logp.shape) * (0.7 if repeat else 0)
    predicted = pd.Series(np.array(LABELS, dtype=object)[(logp + noise).argmax(1)])
    status = pd.Series("label", index=images.index)
    status[::17], status[5::29] = "denied", "unparsed"
    predicted[status != "label"] = None
    said: dict[str, Any] = {
        "readout": "generate",
        "order": order,
        "repeat": repeat,
        "entropy": 2.5,
        "status": status,
    }
    return _rows(images, said | {"text": predicted.fillna(HOSTILE[0])}, predicted, kind, order)


def _judged(images: pd.DataFrame, skill: float, draw: Any) -> pd.DataFrame:
    """Return log odds; asked about the first label it always says yes, about the last always no."""
    odds = draw.normal(-0.5, 1, (len(images), K))
    odds[np.arange(len(images)), images["label"].map(LABELS.index)] += 3 * skill
    odds[:, 0], odds[:, -1] = odds[:, 0] + 50, odds[:, -1] - 50
    predicted = pd.Series(np.array(LABELS, dtype=object)[odds.argmax(1)])
    said: dict[str, Any] = {"readout": "yes-no", "order": 0, "repeat": 0, "text": "", "status": "label"}
    return _rows(images, said | {"logp": _lists(odds), "logp_prior": _lists(odds)}, predicted, "yes-no", 0)


def _exam(arm: str) -> dict[str, Any]:
    refused = {"shared": f"RuntimeError: {HOSTILE[0]}", "prompt": "log-likelihoods differ by 2.1e-01"}
    engine = {"scheme": "shared", "difference": 1.98e-5, "tolerance": 1e-3, "refused": {}}
    slow = {"scheme": "stepwise", "difference": 0.0, "tolerance": 1e-3, "refused": refused}
    took = {"images": 192, "questions": 83, "seconds": 12.3, "images_per_second": 15.6, "processes": 2}
    peaks = {"peak_rss_mib": [1800.0, 1700.5], "peak_gpu_mib": [None, None]}
    alone = {"images": 8, "texts": 80, "texts_changed": 2, "choices": 160, "choices_changed": 1}
    beside = {"alone": {**alone, "difference": 0.31}}
    return {"engine": engine if arm == "base" else slow, **took, **peaks, **beside}
