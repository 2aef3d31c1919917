"""The tables of causal patching and of swapped components."""

from __future__ import annotations

import pandas as pd

from eyechart.inside.causal import effects
from eyechart.inside.shapley import combination_table
from eyechart.report.inputs import Inputs


def causal_tables(inputs: Inputs) -> dict[str, pd.DataFrame]:
    """Return, for all arms that have them, ``patching`` (see :func:`eyechart.inside.causal.effects`),
    ``combinations`` (:func:`eyechart.inside.shapley.combination_table`) and ``shapley``
    (:func:`eyechart.inside.shapley.shapley_table`), each with a column ``arm``.
    """
    tables = {}
    if inputs.patching is not None:
        tables["patching"] = pd.concat(
            [effects(part).assign(arm=arm) for arm, part in inputs.patching.groupby("arm", sort=False)],
            ignore_index=True,
        )
    if inputs.swap is not None:
        tables["combinations"] = pd.concat(
            [
                combination_table(part).assign(arm=arm, changed=part["changed"].iloc[0])
                for arm, part in inputs.swap.groupby("arm", sort=False)
            ],
            ignore_index=True,
        )
    if inputs.shapley is not None:
        tables["shapley"] = inputs.shapley
    return tables
