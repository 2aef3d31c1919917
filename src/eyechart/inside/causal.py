"""Causal patching between clean and distorted images: where is the label decided (METHODS, Stages)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from eyechart.exam.blocks import batches
from eyechart.exam.engine import Scheme
from eyechart.exam.forest import Ask
from eyechart.exam.run import engine_of
from eyechart.inside.pairs import Load, find_pairs
from eyechart.inside.patching import Floats, Patcher
from eyechart.measures.statistics import count_interval, divide, ratio, totals
from eyechart.progress import track
from eyechart.subjects.model import ModelSubject, Pixels
from eyechart.subjects.stages import PROJECTED, language_layers

if TYPE_CHECKING:
    from eyechart.inside.look import Look

SAME = 1e-3  # log-odds of a pair that lie nearer than this do not differ
DIRECTIONS = ("into clean", "into distorted")
_KEYS = ["stage", "order", "positions", "direction"]
_NUMBERS = ["effect", "low", "high", "shift", "shift_low", "shift_high"]


def patching(look: Look) -> pd.DataFrame | None:
    """Return :func:`patched_pairs` of an arm; None where no image has a clean partner."""

    def load(names: Sequence[str]) -> list[Pixels]:
        return look.dataset.images("test", names)

    pairs = find_pairs(look.table, look.dataset.table("test"), load, look.config.pairs)
    if pairs.empty:
        look.say(f"{look.arm}: inside: no distorted image has its clean version among the test images")
        return None
    layers = len(language_layers(look.subject.model))
    stages = sorted({0, *range(look.config.every, layers, look.config.every), layers})
    scheme, batch = engine_of(look.run, look.arm), look.config.batch
    found = patched_pairs(look.subject, pairs, load, look.question, look.labels, stages, scheme, batch)
    return found.assign(arm=look.arm)


def patched_pairs(
    subject: ModelSubject,
    pairs: pd.DataFrame,
    load: Load,
    question: str,
    labels: Sequence[str],
    stages: Sequence[int],
    scheme: Scheme = "prompt",
    batch: int = 32,
) -> pd.DataFrame:
    """Patch every pair at every stage, in both directions.

    The number that is watched is the log-odds of the distorted image's label among the labels, from the
    likelihoods of the whole answers, by which ``choose`` decides: several labels may begin with one token.

    Args:
        subject: the model.
        pairs: see :func:`eyechart.inside.pairs.find_pairs`.
        load: gives images by their ids.
        question: what is asked.
        labels: the labels, which are the answers.
        stages: 0 for what enters the language model, l for its l-th layer.
        scheme: how the subject is asked.
        batch: most pairs at a time.

    Returns:
        One row a pair, stage, kind of positions (``image``, ``answer``) and direction: image_id, content,
        label, clean_id, stage (name), order, positions, direction; the log-odds ``clean``, ``distorted`` of
        the two runs, and ``patched``: into the clean run the states of the distorted one, or the reverse.
    """
    sizes = list(zip(pairs["height"], pairs["width"], strict=True))
    parts = []
    with subject.asking():
        for places in track(batches(range(len(pairs)), sizes, batch), "patching clean and distorted runs"):
            rows, size = pairs.iloc[places], sizes[places[0]]
            spelled = tuple(subject.answer_ids(question, label, size) for label in labels)
            ask = Ask(subject.prompt(question, size), spelled, write=False)
            own = np.array([list(labels).index(label) for label in rows["label"]])
            images = load(rows["clean_id"].tolist()), load(rows["image_id"].tolist())
            parts.append(_of_batch(Patcher(subject, ask, stages, scheme), rows, images, own))
    return pd.concat(parts, ignore_index=True)


def _of_batch(
    patcher: Patcher, rows: pd.DataFrame, images: tuple[list[Pixels], list[Pixels]], own: Floats
) -> pd.DataFrame:
    runs = [patcher.run(shown) for shown in images]
    clean, distorted = (log_odds(run.logp, own) for run in runs)
    pair = rows[["image_id", "content", "label", "clean_id"]].assign(clean=clean, distorted=distorted)
    parts = []
    for place in patcher.places:
        for into, direction in enumerate(DIRECTIONS):
            logp = patcher.patched(images[into], runs[into], runs[1 - into], place)
            part = pair.assign(stage=name_of(place.stage), order=place.stage, positions=place.where)
            parts.append(part.assign(direction=direction, patched=log_odds(logp, own)))
    return pd.concat(parts)


def name_of(stage: int) -> str:
    """Return the name of a stage as :mod:`eyechart.subjects.stages` has it."""
    return f"language {stage}" if stage else PROJECTED


def log_odds(logp: Floats, own: Floats) -> Floats:
    """Return log p(own) - log p(any other answer), where only the answers given are possible.

    Args:
        logp: log p of each answer, [n, K].
        own: the place of each row's own answer, [n].
    """
    rows = np.arange(len(logp))
    others = logp.copy()
    others[rows, own] = -np.inf
    highest = others.max(1, keepdims=True)
    rest = highest[:, 0] + np.log(np.exp(others - highest).sum(1))
    found: Floats = logp[rows, own] - rest
    return found


def effects(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return how much of the difference between the two runs a patch carries over.

    The effect is a ratio of sums over pairs: of what the patch changed towards the other run, and of what the
    two runs differ by. 0 is no effect, 1 the other run's log-odds. A ratio of means, unlike a mean of ratios,
    is not carried by pairs that hardly differ; such that differ by less than ``SAME`` are left out.

    Args:
        table: see :func:`patched_pairs`.
        seed: of the bootstrap over contents.

    Returns:
        One row a stage, kind of positions and direction: effect, low, high (95 %), pairs, alike (left out),
        contents; and of the two runs, ``shift``: mean of distorted minus clean, with its interval.
    """
    rows = []
    for keys, part in table.groupby(_KEYS, sort=False):
        differ = (part["distorted"] - part["clean"]).abs() >= SAME
        mine = part[differ]
        whole = (mine["distorted"] - mine["clean"]).to_numpy(float)
        into_clean = (mine["direction"] == DIRECTIONS[0]).to_numpy()
        moved = np.where(into_clean, mine["patched"] - mine["clean"], mine["distorted"] - mine["patched"])
        row = dict(zip(_KEYS, keys, strict=True)) | {"pairs": len(mine), "alike": int((~differ).sum())}
        row |= {"contents": mine["content"].nunique()}
        if len(mine):
            sums = totals(np.stack([moved, whole, np.ones_like(whole)], axis=1), mine["content"].astype(str))
            effect = count_interval(sums, ratio, seed)
            shift = count_interval(sums, lambda drawn: divide(drawn[:, 1], drawn[:, 2]), seed)
            # A sum of zeros over a negative one is a zero with a sign.
            row |= {"effect": effect.value + 0.0, "low": effect.low + 0.0, "high": effect.high + 0.0}
            row |= {"shift": shift.value, "shift_low": shift.low, "shift_high": shift.high}
        rows.append(row)
    columns = [*_KEYS, "pairs", "alike", "contents", *_NUMBERS]
    ordered = pd.DataFrame(rows, columns=columns).sort_values(["positions", "order"], ascending=[False, True])
    return ordered.reset_index(drop=True)
