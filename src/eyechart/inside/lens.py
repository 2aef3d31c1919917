"""Logit lens at the image's positions: which label the language model would say there, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from eyechart.inside.distance import image_columns, positions
from eyechart.inside.nearness import Reals
from eyechart.inside.words import first_tokens
from eyechart.progress import track
from eyechart.subjects.own_head import OwnHead
from eyechart.subjects.stages import LAST

if TYPE_CHECKING:
    import torch

    from eyechart.inside.look import Look

_TOKENS = 1024  # that pass the head at a time


def lens(look: Look) -> pd.DataFrame:
    """Read the states at the image's positions with the model's own head, layer by layer.

    The states of a layer go through the final normalisation (those of the last layer are behind it already)
    and the model's own head, with all that it does to its logits (:mod:`eyechart.subjects.own_head`); softmax
    over the whole vocabulary. Of each label the probability of its first token is kept, as it stands in a
    sentence, behind a blank. Labels that begin with the same token cannot be told apart by it: they share
    ranks, and a hit among m of them counts 1/m.

    Returns:
        One row an image and stage, from what enters the language model (``projector output``) over the
        layers that were kept to ``language last position``, where the answer begins: ``stage``, ``order``,
        and for the mean and the maximum over the positions ``p_mean`` (a list: of each label), ``own_mean``,
        ``rank_mean`` (of the own label among the labels, 1 is best), ``right_mean`` (whether it is the
        likeliest one, 0 to 1); likewise ``_max``.
    """
    import torch

    subject = look.subject
    tokens, true = torch.tensor(first_tokens(subject, look.labels)), positions(look.table, look.labels)
    stages = [*_layers(look), LAST]
    example = look.dataset.images("test", [str(look.table["image_id"].iloc[0])])
    parts = []
    with torch.no_grad(), subject.precision():
        head = OwnHead(subject.model, subject.inputs(example, subject.conversation(look.question)))
        for order, stage in enumerate(track(stages, "reading the states with the model's own head")):
            p = _pooled(head, _states(look, stage), tokens, normalised=stage in (LAST, _last_layer(look)))
            part = image_columns(look.table).assign(arm=look.arm, stage=stage, order=order)
            parts.append(part.assign(**_columns(p, true, tokens.numpy())))
    return pd.concat(parts, ignore_index=True)


def _layers(look: Look) -> list[str]:
    """Return the stages whose tokens pass the language model at positions of their own."""
    crosses = not any(_is_layer(name) for name in look.states.names)
    return [] if crosses else list(look.states.kept)


def _last_layer(look: Look) -> str | None:
    """Return the stage behind the final normalisation."""
    return next((name for name in reversed(look.states.names) if _is_layer(name)), None)


def _is_layer(stage: str) -> bool:
    return stage.startswith("language") and stage != LAST


def _states(look: Look, stage: str) -> Sequence[torch.Tensor]:
    """Return each image's states at a stage, [tokens, width]."""
    import torch

    if stage == LAST:
        return list(torch.from_numpy(look.states.pooled(LAST))[:, None])
    return look.states.tokens(stage)


def _pooled(
    head: OwnHead, states: Sequence[torch.Tensor], tokens: torch.Tensor, *, normalised: bool
) -> dict[str, Reals]:
    """Return each token's probability, by mean and maximum over the positions of an image, [images, k]."""
    import torch

    mean, highest = [], []
    for images in _together(states):
        whole = torch.cat(images)
        p = head.log_p(whole, tokens, normalised=normalised).double().exp()
        for one in torch.split(p, [len(image) for image in images]):
            mean.append(one.mean(0).numpy())
            highest.append(one.amax(0).numpy())
    return {"mean": np.stack(mean), "max": np.stack(highest)}


def _together(states: Sequence[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield images in groups of so many tokens that the head is used well."""
    group: list[torch.Tensor] = []
    for image in states:
        group.append(image)
        if sum(map(len, group)) >= _TOKENS:
            yield group
            group = []
    if group:
        yield group


def _columns(p: dict[str, Reals], true: NDArray[np.intp], tokens: NDArray[np.int64]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pool, values in p.items():
        own = values[np.arange(len(true)), true]
        found[f"p_{pool}"] = list(values)
        found[f"own_{pool}"] = own
        found[f"rank_{pool}"], found[f"right_{pool}"] = standing(values, true, tokens)
    return found


def standing(values: Reals, true: NDArray[np.intp], tokens: NDArray[np.int64]) -> tuple[Reals, Reals]:
    """Return the rank of each image's own label, and whether it is the first.

    Args:
        values: of each label, [images, K].
        true: position of each image's label.
        tokens: with which the labels begin, [K].

    Returns:
        Rank (1 is best) and right (0 to 1), float64 [images]. The m labels that begin with one token share
        the mean of their ranks and 1/m of being right.
    """
    own = values[np.arange(len(true)), true][:, None]
    alike = tokens[None] == tokens[true][:, None]
    higher = ((values > own) & ~alike).sum(1)
    same = alike.sum(1)
    return 1 + higher + (same - 1) / 2, np.where(higher == 0, 1 / same, 0.0)
