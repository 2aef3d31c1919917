"""Numbers with intervals, how they are written, and when one may be called higher than another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Number:
    """A number and the ends of its 95 % interval (NaN where there is none)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[Any, Any], value: str, low: str = "low", high: str = "high") -> Number:
        """Return the number in three columns of a table's row."""
        return cls(float(row[value]), float(row[low]), float(row[high]))

    def __str__(self) -> str:
        return f"{percent(self.value)} ({interval(self.low, self.high)})"


Place = Literal["above", "below", "cannot tell"]


def place(number: Number, other: Number | float) -> Place:
    """Say where a number lies: above or below another only if their intervals do not overlap."""
    low, high = (other.low, other.high) if isinstance(other, Number) else (other, other)
    if number.low > high:
        return "above"
    if number.high < low:
        return "below"
    return "cannot tell"


def percent(share: float) -> str:
    """Write a share: 0.149 as ``14.9 %`` (with a space that does not break), NaN as a dash."""
    return "–" if math.isnan(share) else f"{_minus(100 * share, 'z.1f')}\u00a0%"


def interval(low: float, high: float) -> str:
    """Write an interval of shares: ``12.1 to 17.9``."""
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"{_minus(100 * low, 'z.1f')} to {_minus(100 * high, 'z.1f')}"


def points(change: Number) -> str:
    """Write a difference of shares in percentage points, with its sign and interval."""
    if math.isnan(change.value):
        return "–"
    return f"{_minus(100 * change.value, '+z.1f')} points ({interval(change.low, change.high)})"


def plain(number: Number, digits: int = 2) -> tuple[str, str]:
    """Write a number that is no share, and its interval: ``1.23`` and ``1.01 to 1.44``."""
    if not math.isfinite(number.value):
        return ("–" if math.isnan(number.value) else "∞"), ""
    value, low, high = (_minus(end, f"z.{digits}f") for end in (number.value, number.low, number.high))
    known = math.isfinite(number.low) and math.isfinite(number.high)
    return value, f"{low} to {high}" if known else "no interval"


def chance_of(p: float) -> str:
    """Write a p-value: ``p = 0.012``, ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {decimal(p)}"


def decimal(value: float) -> str:
    """Write a small number with three digits after the point, NaN as a dash."""
    return "–" if math.isnan(value) else _minus(value, "z.3f")


def count(value: float) -> str:
    """Write a count: 9000000 as ``9.0 M``."""
    if math.isnan(value):
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f} {letter}"
    return f"{value:.0f}"


def duration(seconds: float) -> str:
    """Write a time: ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if math.isnan(seconds):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _minus(value: float, form: str) -> str:
    return format(value, form).replace("-", "−")
