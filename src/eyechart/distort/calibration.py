"""Find the severity that gives a PSNR, as the levels of TID2013 are defined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from eyechart.distort.formats import as_rgb
from eyechart.distort.pixels import psnr as psnr_of
from eyechart.distort.registry import Distortion, Pixels, find
from eyechart.errors import EyechartError

_STEPS = 40


@dataclass(frozen=True)
class Calibration:
    """The severity found, the PSNR in dB that it gives, and whether that is as close as was asked."""

    severity: float
    psnr: float
    reached: bool


def calibrate(
    image: Any,
    type: str,
    *,
    psnr: float,
    tolerance: float = 0.1,
    direction: int = 1,
    seed: int = 0,
    image_id: str = "",
) -> Calibration:
    """Return the severity at which a distortion has a PSNR against the image.

    Bisection between the mildest and the worst severity, with the same noise at every trial. Where the type
    cannot reach the PSNR (whole numbers lie too far apart, or its range ends) the nearest found is returned,
    and ``reached`` is False.

    Args:
        image: as for :func:`eyechart.distort.distort`.
        type: the distortion's name.
        psnr: in dB, over all channels.
        tolerance: in dB.
        direction: for a signed severity, the side to search: 1 above, -1 below the identity.
        seed: of the noise, together with
        image_id: of the image.

    Raises:
        EyechartError: unknown type, an image of another kind, or a PSNR that is no positive number.
    """
    if not (math.isfinite(psnr) and psnr > 0):
        raise EyechartError(f"a PSNR of {psnr!r} dB cannot be a target", "give a positive number of dB")
    found = find(type)
    rgb, _ = as_rgb(image)
    return _search(found, rgb, psnr, tolerance, direction, seed, image_id)


def level_of_target(
    found: Distortion, rgb: Pixels, level: int, corpus: str, seed: int, image_id: str
) -> float:
    """Return the severity of a level that its corpus defines by PSNR.

    Where the severity is signed the sides alternate, odd levels below the identity, as the opinion scores of
    TID2013's contrast change show. Those of its saturation fall steadily, so colour is always weakened.
    """
    direction = -1 if level % 2 or found.family == "color" else 1
    return _search(found, rgb, found.targets[corpus][level - 1], 0.1, direction, seed, image_id).severity


def _search(
    found: Distortion, rgb: Pixels, target: float, tolerance: float, direction: int, seed: int, image_id: str
) -> Calibration:
    from eyechart.distort.make import at_severity

    spec = found.severity
    mild, worst = _ends(found, direction)

    def trial(severity: float) -> Calibration:
        fidelity = psnr_of(at_severity(found, rgb, severity, seed, image_id)[0], rgb)
        return Calibration(severity, fidelity, abs(fidelity - target) <= tolerance)

    best = min((trial(mild), trial(worst)), key=lambda tried: abs(tried.psnr - target))
    for _ in range(_STEPS):
        middle = _between(mild, worst, spec.whole)
        if best.reached or middle in (mild, worst):
            break
        tried = trial(middle)
        if abs(tried.psnr - target) < abs(best.psnr - target):
            best = tried
        if tried.psnr > target:
            mild = middle
        else:
            worst = middle
    return best


def _ends(found: Distortion, direction: int) -> tuple[float, float]:
    """Return the mildest and the worst severity on one side."""
    spec = found.severity
    if spec.worse == "both" and spec.identity is not None:
        return (spec.identity[1], spec.high) if direction > 0 else (spec.identity[0], spec.low)
    ends = (spec.low, spec.high) if spec.worse == "high" else (spec.high, spec.low)
    return ends


def _between(one: float, other: float, whole: bool) -> float:
    """Return the middle: the geometric one of two positive numbers, as parameters often span decades."""
    if one > 0 and other > 0:
        middle = math.sqrt(one * other)
        if whole and round(middle) in (one, other):
            middle = (one + other) / 2
    else:
        middle = (one + other) / 2
    return float(round(middle)) if whole else middle
