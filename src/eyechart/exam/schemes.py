"""Measure which way of asking is right for a model: each is held against the model's own ``generate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from eyechart.errors import EyechartError
from eyechart.exam.engine import Scheme, read
from eyechart.exam.forest import Ask
from eyechart.exam.readings import Decoding, Readings
from eyechart.subjects.model import ModelSubject, Pixels

TOLERANCE = 1e-3  # of a candidate's log-likelihood, weights in float32
# In 16 bits, logits around 20 lie an eighth apart, so that the same sum in another order moves by that much.
TOLERANCE_16_BIT = 0.25
_ANSWERS = 3  # of a question that are compared, beside the longest
_TEXT = Decoding(new_tokens=4)


@dataclass(frozen=True)
class Checked:
    """Which way of asking a model was chosen, and why.

    Attributes:
        scheme: the fastest one that is right.
        difference: largest difference of its log-likelihoods from those of the model's own ``generate``.
        tolerance: how large it might be.
        refused: the faster ones, with what was wrong about each.
    """

    scheme: Scheme
    difference: float
    tolerance: float
    refused: dict[str, str]


def check_schemes(subject: ModelSubject, image: Pixels, asks: Sequence[Ask]) -> Checked:
    """Return the fastest way of asking that gives what the model's own ``generate`` gives.

    The first and the last question are asked, the answers spread over the list. Weights in float32 are
    compared in float32, even where the exam multiplies in bfloat16.

    Args:
        subject: the model.
        image: one image of the exam, uint8 HWC RGB.
        asks: questions of the exam, rendered for its size.

    Raises:
        EyechartError: the model gives numbers that are not finite.
    """
    some = [replace(ask, candidates=_spread(ask.candidates)) for ask in (asks[0], asks[-1])[: len(asks)]]
    whole = subject.model.dtype.itemsize == 4
    longest = max((len(c) for ask in some for c in ask.candidates), default=1)
    tolerance = TOLERANCE if whole else TOLERANCE_16_BIT * longest
    exact = ModelSubject(subject.name, subject.model, subject.processor)
    right = read(exact, [image], some, _TEXT, scheme="plain")
    _refuse_not_finite(subject, right)
    refused: dict[str, str] = {}
    for scheme in get_args(Scheme)[:-1]:
        try:
            found = read(exact, [image], some, _TEXT, scheme=scheme)
        except (EyechartError, RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
            refused[scheme] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            continue
        apart = max(_apart(f, r) for f, r in zip(found, right, strict=True))
        if apart <= tolerance and (not whole or _texts(found) == _texts(right)):
            return Checked(scheme, apart, tolerance, refused)
        refused[scheme] = f"log-likelihoods differ by {apart:.1e}"
    return Checked("plain", 0.0, tolerance, refused)


def _refuse_not_finite(subject: ModelSubject, readings: Sequence[Readings]) -> None:
    """Say so where the model's own way gives NaN or infinity: no answer would mean anything."""
    if not all(np.isfinite(part).all() for one in readings for part in (one.logp, one.entropy)):
        dtype = str(subject.model.dtype).removeprefix("torch.")
        raise EyechartError(
            f"the likelihoods of {subject.name} in {dtype} are not finite",
            "load it with --dtype bfloat16 or float32, whose range is wide enough, or mend its weights",
        )


def _spread(candidates: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Return a few answers, the longest among them."""
    if not candidates:
        return ()
    places = {i * len(candidates) // _ANSWERS for i in range(_ANSWERS)}
    places.add(max(range(len(candidates)), key=lambda i: len(candidates[i])))
    return tuple(candidates[i] for i in sorted(places))


def _apart(found: Readings, right: Readings) -> float:
    """Return the largest difference of log-likelihoods, or, where none were asked for, of entropies."""
    one, two = (found.logp, right.logp) if right.logp.size else (found.entropy, right.entropy)
    return float(np.abs(one - two).max())


def _texts(found: Sequence[Readings]) -> list[list[str]]:
    return [readings.texts for readings in found]
