"""Which label an endpoint would have begun with, from the log-probabilities of its first token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def label_scores(first: Sequence[tuple[str, float]] | None, labels: Sequence[str]) -> NDArray[Any] | None:
    """Return the log-probability of beginning each label, float64 [labels], in natural units.

    A token begins a label if, without blanks and in lower case, it is how this label and no other starts:
    "bl" and " Blur" begin blur, "co" begins neither compression nor contrast. Tokens of one label add up.

    Args:
        first: the likeliest first tokens with their log-probabilities, or None if none were told.
        labels: the candidates.

    Returns:
        None unless every label is begun by one of the tokens at least.
    """
    scores = np.full(len(labels), -np.inf)
    for token, logp in first or ():
        beginning = token.strip().casefold()
        begun = [i for i, label in enumerate(labels) if beginning and label.casefold().startswith(beginning)]
        if len(begun) == 1:
            scores[begun[0]] = np.logaddexp(scores[begun[0]], logp)
    return scores if np.isfinite(scores).all() else None
