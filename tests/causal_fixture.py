"""Tables of causal patching and of swapped components, as a run's arms have them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from eyechart.inside.causal import DIRECTIONS, name_of
from eyechart.inside.shapley import shapley_table
from eyechart.seeds import rng
from eyechart.subjects.components import COMPONENTS

LAYERS, MOVES = (0, 6, 12, 18, 24, 30), 20  # the label moves from the image to the answer at this layer


def patching_of(arm: str, images: pd.DataFrame, shift: float, cross: bool = False) -> pd.DataFrame:
    """Return the patches of an arm; ``shift`` is by how much a distortion raises its label's log-odds.

    Args:
        arm: the arm.
        images: image_id, content, label of the images.
        shift: see above.
        cross: the model has no image positions.
    """
    draw = rng(0, "patching", arm)
    pairs = images[images["label"] != "clean"].groupby("content").head(3)
    pairs = pairs[["image_id", "content", "label"]].assign(clean_id="clean")
    clean = draw.normal(-3, 1, len(pairs))
    distorted = clean + draw.normal(shift, 1, len(pairs))
    distorted[0] = clean[0]  # one pair does not differ
    parts = []
    for where, layer, way in product(("image", "answer"), LAYERS, DIRECTIONS):
        if (where == "answer" and not layer) or (where == "image" and layer and cross):
            continue
        share = (
            1 / (1 + np.exp((layer - MOVES) / 2))
            if where == "image"
            else 1 / (1 + np.exp((MOVES - layer) / 2))
        )
        share = {0: 1.0, LAYERS[-1]: float(where == "answer")}.get(layer, share)
        into, other = (clean, distorted) if way == DIRECTIONS[0] else (distorted, clean)
        part = pairs.assign(stage=name_of(layer), order=layer, positions=where, direction=way)
        part = part.assign(clean=clean, distorted=distorted, patched=into + share * (other - into))
        parts.append(part)
    return pd.concat(parts, ignore_index=True).assign(arm=arm)


def swap_of(arm: str, images: pd.DataFrame, skill: dict[tuple[str, ...], float]) -> pd.DataFrame:
    """Return what each combination chose; ``skill`` gives the accuracy by the components that are tuned."""
    changed = [part for part in COMPONENTS if any(part in tuned for tuned in skill)]
    luck = rng(0, "swap", arm).random(len(images))
    parts = []
    for which in product(("base", "tuned"), repeat=3):
        tuned = tuple(
            p for p, kind in zip(COMPONENTS, which, strict=True) if kind == "tuned" and p in changed
        )
        right = luck < skill[tuned]
        part = images[["image_id", "content", "label"]].assign(**dict(zip(COMPONENTS, which, strict=True)))
        part = part.assign(changed="+".join(changed), correct=right)
        parts.append(part.assign(predicted=np.where(right, part["label"], "nothing")))
    return pd.concat(parts, ignore_index=True).assign(arm=arm)


def shapley_of(swapped: pd.DataFrame, shared: str = "") -> pd.DataFrame:
    """Return the Shapley values of an arm; ``shared`` is told of the language model."""
    table = shapley_table(swapped).assign(arm=swapped["arm"].iloc[0])
    return table.assign(shared=[shared if part == "language" else "" for part in table["component"]])
