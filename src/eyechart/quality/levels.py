"""A score from the likelihoods of level words (Q-Align, arXiv 2312.17090; Q-Bench, ICLR 2024)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from eyechart.quality.spoken import level_worths
from eyechart.quality.template import ScoringTemplate

Floats = NDArray[np.float64]


def level_scores(logp: Floats, template: ScoringTemplate) -> Floats:
    """Return the score of each image, on the template's scale.

    s = sum_l w_l p_l, where w_l is the level's worth and p the softmax over the levels of the mean
    log-likelihood of a level's words. For levels of one word of one token each this is Q-Align's score.

    Args:
        logp: log-likelihood of each word of ``template.words``, all its tokens together, [n, words].
        template: whose levels they are.

    Returns:
        float64 [n].
    """
    ends = np.cumsum([len(level) for level in template.levels])[:-1]
    of_level = np.stack([part.mean(axis=1) for part in np.split(logp, ends, axis=1)], axis=1)
    found: Floats = softmax(of_level, axis=1) @ np.array(level_worths(template))
    return found


def unit(value: float, template: ScoringTemplate) -> float:
    """Return a score on 0 (worst) to 1 (best), whatever the template's scale."""
    low, high = template.scale
    return (value - low) / (high - low)
