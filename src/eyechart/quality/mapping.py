"""From scores to the scale of opinion: the logistic function with four parameters::

    f(x) = b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|))

fitted by least squares from b1 = max y, b2 = min y, b3 = mean x, b4 = std x / 4. This is the function of the
VQEG's final report (FR-TV Phase II, 2003), with the start that pyiqa's benchmark takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST = 20_000  # evaluations of the function


@dataclass(frozen=True)
class Mapping:
    """A fitted curve.

    Attributes:
        kind: ``logistic``; ``linear`` where the logistic did not converge or fits worse than a line does;
            ``none`` where all scores, or all opinions, are the same.
        parameters: b1 to b4 of the logistic; slope and offset of the line; the mean opinion alone.
        rises: whether a higher score means a higher opinion.
    """

    kind: str
    parameters: tuple[float, ...]
    rises: bool

    def __call__(self, scores: Floats) -> Floats:
        """Return scores on the scale of opinion."""
        if self.kind == "logistic":
            return logistic(scores, *self.parameters)
        if self.kind == "linear":
            slope, offset = self.parameters
            return slope * scores + offset
        return np.full(np.shape(scores), self.parameters[0])


def logistic(x: Floats, b1: float, b2: float, b3: float, b4: float) -> Floats:
    """Return f(x) of the module's docstring."""
    from scipy.special import expit

    found: Floats = b2 + (b1 - b2) * expit((x - b3) / max(abs(b4), 1e-12))
    return found


def fit(scores: Floats, opinions: Floats) -> Mapping:
    """Return the curve that maps scores to opinions.

    Args:
        scores: [n], of the subject.
        opinions: [n].
    """
    scores, opinions = np.asarray(scores, np.float64), np.asarray(opinions, np.float64)
    if np.ptp(scores) <= 1e-12 or np.ptp(opinions) <= 1e-12:
        return Mapping("none", (float(opinions.mean()),), True)
    slope, offset = np.polyfit(scores, opinions, 1)
    line = Mapping("linear", (float(slope), float(offset)), bool(slope > 0))
    found = _logistic(scores, opinions)
    if found is None or _error(found, scores, opinions) > _error(line, scores, opinions):
        return line
    return found


def _logistic(scores: Floats, opinions: Floats) -> Mapping | None:
    import warnings

    from scipy.optimize import OptimizeWarning, curve_fit

    start = [opinions.max(), opinions.min(), scores.mean(), scores.std() / 4]
    curve: Any = logistic
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # no covariance, which is not asked for
        try:
            parameters = curve_fit(curve, scores, opinions, p0=start, maxfev=_MOST)[0]
        except RuntimeError:  # no convergence
            return None
    if not np.isfinite(parameters).all():
        return None
    b1, b2, b3, b4 = (float(one) for one in parameters)
    return Mapping("logistic", (b1, b2, b3, b4), b1 > b2)


def _error(mapping: Mapping, scores: Floats, opinions: Floats) -> float:
    return float(((mapping(scores) - opinions) ** 2).sum())
