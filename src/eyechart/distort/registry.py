"""What a distortion is, and the one table of all of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

Pixels = NDArray[np.uint8]
Reals = NDArray[np.float64]
Make = Callable[[Pixels, float, np.random.Generator], Pixels]

_FOUND: dict[str, Distortion] = {}


@dataclass(frozen=True)
class Severity:
    """The continuous parameter of a distortion: what it is, its unit, and its valid range (ends included)."""

    name: str
    unit: str
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Distortion:
    """One type of distortion.

    ``levels`` maps a corpus to the severities of its levels 1 to 5. ``make`` takes an image (uint8 HWC RGB),
    a severity and a generator, and returns the distorted image (uint8 HWC RGB, same size).
    """

    name: str
    family: str
    severity: Severity
    levels: Mapping[str, tuple[float, float, float, float, float]]
    make: Make
    source: str

    def at_level(self, corpus: str, level: int) -> float:
        """Return the severity of a corpus' level (1 to 5).

        Raises:
            EyechartError: the corpus has no such type, or there is no such level.
        """
        if corpus not in self.levels:
            raise EyechartError(
                f"{self.name} has no levels for the corpus {corpus!r}", f"known: {', '.join(self.levels)}"
            )
        if level not in range(1, 6):
            raise EyechartError(
                f"level {level!r} of {self.name} does not exist", "levels are 1, 2, 3, 4 and 5"
            )
        return self.levels[corpus][level - 1]

    def check(self, severity: float) -> float:
        """Return the severity if it is valid.

        Raises:
            EyechartError: outside the range, or a fraction where only whole numbers have a meaning.
        """
        spec = self.severity
        valid = f"{spec.name} must lie in {spec.low:g} to {spec.high:g} ({spec.unit})"
        if not spec.low <= severity <= spec.high:  # also refuses NaN
            raise EyechartError(f"severity {severity!r} of {self.name} is out of range", valid)
        if spec.whole and severity != int(severity):
            raise EyechartError(f"severity {severity!r} of {self.name} is no whole number", valid)
        return severity


def register(
    name: str,
    *,
    family: str,
    severity: Severity,
    kadid10k: tuple[float, float, float, float, float],
    source: str,
) -> Callable[[Make], Make]:
    """Enter the decorated function into the table."""

    def enter(make: Make) -> Make:
        _FOUND[name] = Distortion(name, family, severity, {"kadid10k": kadid10k}, make, source)
        return make

    return enter


def registry() -> dict[str, Distortion]:
    """Return every distortion by its name, in alphabetical order."""
    return dict(sorted(_FOUND.items()))


def find(name: str) -> Distortion:
    """Return one distortion.

    Raises:
        EyechartError: unknown; the nearest name is told.
    """
    if name not in _FOUND:
        near = difflib.get_close_matches(name, _FOUND, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(registry())}"
        raise EyechartError(f"there is no distortion {name!r}", remedy)
    return _FOUND[name]
