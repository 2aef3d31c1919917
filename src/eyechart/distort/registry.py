"""What a distortion is, and the one table of all of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

Pixels = NDArray[np.uint8]
Reals = NDArray[np.float64]

FAMILIES = (
    "blur",
    "noise",
    "compression",
    "transmission",
    "brightness",
    "contrast",
    "color",
    "quantization",
    "sharpness",
    "spatial",
    "restoration",
)
# Target PSNR in dB of TID2013's levels 1 to 5 (Ponomarenko et al. 2015); it publishes no other parameter.
TID2013_PSNR = (33.0, 30.0, 27.0, 24.0, 21.0)


class Redrawn(NamedTuple):
    """What a transmission error returns: the image, and how many draws could not be decoded before it."""

    pixels: Pixels
    redraws: int


Made = Pixels | NDArray[np.floating] | Redrawn
Make = Callable[[Pixels, float, np.random.Generator], Made]

_FOUND: dict[str, Distortion] = {}


@dataclass(frozen=True)
class Severity:
    """The continuous parameter of a distortion.

    Attributes:
        name: what it is.
        unit: its unit.
        low: the lowest valid value, included.
        high: the highest valid value, included.
        whole: only whole numbers have a meaning.
        worse: which end distorts most; "both" where the parameter is signed.
        identity: the lowest and the highest value between which (both included) no image changes; None where
            every value may change an image.
    """

    name: str
    unit: str
    low: float
    high: float
    whole: bool = False
    worse: Literal["high", "low", "both"] = "high"
    identity: tuple[float, float] | None = None

    def direction(self, value: float) -> int:
        """Return 0 where a value changes nothing, else 1 above and -1 below the values that do so."""
        if self.identity is None:
            return -1 if self.worse == "low" else 1
        return int(value > self.identity[1]) - int(value < self.identity[0])

    def strength(self, value: float) -> float:
        """Return the distance of a value from the nearest one that changes nothing (its unit, not negative).

        Where every value may change an image it is the distance from the mildest one.
        """
        mildest = self.low if self.worse == "high" else self.high
        low, high = self.identity or (mildest, mildest)
        return max(low - value, value - high, 0.0)


@dataclass(frozen=True)
class Distortion:
    """One type of distortion.

    Attributes:
        name: the fine type.
        family: one of ``FAMILIES``.
        severity: its continuous parameter.
        make: takes an image (uint8 HWC RGB), a severity and a generator, and returns the distorted image of
            the same size: uint8, or real grey levels (0 to 255) that are clipped and rounded afterwards.
        space: the colour space in which it acts.
        source: where the definition was published.
        levels: the severities of levels 1, 2, ... by corpus.
        targets: the PSNR in dB of levels 1, 2, ... by corpus, where a corpus set its levels by PSNR.
        ranges: lowest and highest severity by corpus, where a corpus has no levels.
    """

    name: str
    family: str
    severity: Severity
    make: Make
    space: str
    source: str
    levels: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    targets: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def corpora(self) -> tuple[str, ...]:
        """Return the corpora whose levels are known; the first is the default."""
        return (*self.levels, *self.targets)

    @property
    def count(self) -> int:
        """Return how many levels the default corpus has."""
        return len({**self.targets, **self.levels}[self.corpora[0]])

    def at_level(self, level: int, corpus: str | None = None) -> float:
        """Return the severity of a corpus' level (None: the default corpus).

        Raises:
            EyechartError: the corpus has no such type or level, or sets its levels by PSNR, so that the
                severity depends on the image.
        """
        corpus = corpus or self.corpora[0]
        self.check_level(level, corpus)
        if corpus in self.targets:
            raise EyechartError(
                f"{corpus} sets the levels of {self.name} by PSNR, so the severity depends on the image",
                f"calibrate(image, {self.name!r}, psnr={self.targets[corpus][level - 1]:g}) finds it",
            )
        return self.levels[corpus][level - 1]

    def check_level(self, level: int, corpus: str) -> None:
        """Refuse a level that a corpus does not have.

        Raises:
            EyechartError: the corpus has no such type, or not this level.
        """
        if corpus not in self.corpora:
            raise EyechartError(
                f"{self.name} has no levels for the corpus {corpus!r}", f"known: {', '.join(self.corpora)}"
            )
        count = len({**self.targets, **self.levels}[corpus])
        if level not in range(1, count + 1):
            known = ", ".join(map(str, range(1, count)))
            raise EyechartError(
                f"level {level!r} of {self.name} does not exist", f"levels are {known} and {count}"
            )

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
    source: str,
    space: str = "sRGB",
    levels: Mapping[str, tuple[float, ...]] | None = None,
    targets: Mapping[str, tuple[float, ...]] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Callable[[Make], Make]:
    """Enter the decorated function into the table; its docstring is the definition."""
    if family not in FAMILIES:
        raise ValueError(f"{family} is no family: {', '.join(FAMILIES)}")

    def enter(make: Make) -> Make:
        _FOUND[name] = Distortion(
            name, family, severity, make, space, source, levels or {}, targets or {}, ranges or {}
        )
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
