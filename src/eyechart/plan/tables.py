"""What is planned and what was taken, in one table: quantities with names, units, and how they were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Unit = Literal["", "operations", "seconds", "bytes", "a second"]
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


@dataclass(frozen=True)
class Quantity:
    """One number of a plan.

    Attributes:
        name: what it is; parts of a sum are named ``sum: part``.
        value: the number.
        unit: its unit; empty for a count.
        how: how it was found, in words.
    """

    name: str
    value: float
    unit: Unit = ""
    how: str = ""


Plan = tuple[Quantity, ...]


def with_sum(name: str, parts: Mapping[str, float], unit: Unit, how: Mapping[str, str] | str = "") -> Plan:
    """Return the sum of some parts, and each part below it."""
    told = how if isinstance(how, Mapping) else {}
    whole = Quantity(name, float(sum(parts.values())), unit, how if isinstance(how, str) else "")
    return (whole, *(Quantity(f"{name}: {n}", float(v), unit, told.get(n, "")) for n, v in parts.items()))


def as_json(plan: Iterable[Quantity]) -> list[dict[str, Any]]:
    """Return a plan for a JSON file."""
    return [asdict(quantity) for quantity in plan]


def from_json(rows: Sequence[Mapping[str, Any]]) -> Plan:
    """Return the plan of a JSON file."""
    return tuple(Quantity(**row) for row in rows)


def value_of(plan: Iterable[Quantity], name: str) -> float:
    """Return one number of a plan.

    Raises:
        KeyError: there is none of that name.
    """
    return {quantity.name: quantity.value for quantity in plan}[name]


def compare_table(planned: Iterable[Quantity], took: Iterable[Quantity]) -> pd.DataFrame:
    """Return what was planned beside what was taken, of all that was measured: what, planned, took, ratio."""
    import pandas as pd

    before = {quantity.name: quantity for quantity in planned}
    rows = [
        {
            "what": after.name,
            "planned": told(before[after.name].value, after.unit),
            "took": told(after.value, after.unit),
            "ratio": f"{after.value / before[after.name].value:.2f}" if before[after.name].value else "",
        }
        for after in took
        if after.name in before
    ]
    return pd.DataFrame(rows, columns=["what", "planned", "took", "ratio"])


def plan_text(plan: Iterable[Quantity]) -> str:
    """Return a plan for a terminal: the numbers, then how they were found, each way once."""
    import pandas as pd

    known = list(plan)
    table = pd.DataFrame([{"what": q.name, "planned": told(q.value, q.unit)} for q in known])
    ways: dict[str, list[str]] = {}
    for quantity in known:
        if quantity.how:
            ways.setdefault(quantity.how, []).append(quantity.name.rpartition(": ")[2])
    return "\n".join([text(table), "", *(f"{', '.join(names)}: {way}" for way, names in ways.items())])


def text(table: pd.DataFrame) -> str:
    """Return a table for a terminal: what it is to the left, numbers to the right."""
    named = table.assign(what=table["what"].str.ljust(1 + int(table["what"].str.len().max() or 0)))
    return named.to_string(index=False)


def told(value: float, unit: Unit) -> str:
    """Return a number with its unit, to three digits."""
    if unit == "seconds":
        return _time(value)
    if unit == "a second":
        return f"{value:.3g} a second"
    if unit == "":
        return f"{value:,.0f}"
    power = 0
    while value >= 1000 and power < len(_PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {_PREFIXES[power]}{'B' if unit == 'bytes' else 'FLOP'}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
