"""What a terminal shows after scoring: a table that fits into 80 columns, and what is not opinion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from eyechart.exam.console import rendered
from eyechart.quality.pictures import STAND_IN
from eyechart.quality.standin import TOLD

if TYPE_CHECKING:
    from rich.table import Table


def score_summary(agreement: pd.DataFrame) -> str:
    """Return how the scores of every arm agree, as text.

    Args:
        agreement: ``score_agreement`` (:func:`eyechart.quality.agreement.agreement`).
    """
    parts: list[Any] = [
        _table(f"{arm}: scores against {corpus} ({kind})", rows)
        for (arm, corpus, kind), rows in agreement.groupby(["arm", "corpus", "target_kind"], sort=False)
    ]
    if (agreement["target_kind"] == STAND_IN).any():
        parts.append(f"{STAND_IN}: {TOLD}.")
    return rendered(parts)


def _table(title: str, rows: pd.DataFrame) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("template", overflow="fold")
    for name in ("images", "SRCC", "95 %", "PLCC", "KRCC", "RMSE"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.to_dict("records"):
        text = " (text)" if row["kind"] == "levels" and row["readout"] == "text" else ""
        ends = f"{_number(row['srcc_low'])} to {_number(row['srcc_high'])}"
        others = [_number(row[name]) for name in ("plcc", "krcc", "rmse")]
        table.add_row(f"{row['template']}{text}", str(row["n"]), _number(row["srcc"]), ends, *others)
    return table


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.2f}".replace("-", "−")
