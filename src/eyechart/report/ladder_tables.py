"""Tables of the ladder: what probes read at each stage, and what the arm itself says of the same images."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from eyechart.measures.statistics import cluster_interval
from eyechart.report.inputs import Inputs

SAID = ("choose", "generate")  # the readouts at the ladder's end


def ladder_tables(inputs: Inputs) -> dict[str, pd.DataFrame]:
    """Return the tables that the run allows.

    Returns:
        stages (accuracy by arm, stage and kind of probe, see :func:`eyechart.inside.stages.stages`), said
        (:func:`said`) and geometry (:func:`eyechart.inside.geometry.geometry`).
    """
    found = {}
    for name, table in (("stages", inputs.stages), ("geometry", inputs.geometry)):
        if table is not None:
            found[name] = table.sort_values("order", kind="stable", ignore_index=True)
    if inputs.probes is not None and inputs.answers is not None:
        found["said"] = said(inputs.probes, inputs.answers, inputs.questions)
    return found


def said(probes: pd.DataFrame, answers: pd.DataFrame, templates: Mapping[str, str | None]) -> pd.DataFrame:
    """Return how often each arm names the label itself, on the images that were probed.

    Args:
        probes: arm and image_id.
        answers: of the exam.
        templates: by arm the id of the template whose question the states were read with; None, or an arm
            that is absent, is the first train template.

    Returns:
        One row an arm and readout (``choose``, ``generate``): arm, readout, template, accuracy with its 95 %
        interval by content (low, high), n, contents.
    """
    train = answers[answers["template_split"] == "train"]
    first = str(train["template"].iloc[0]) if len(train) else None
    template = answers["arm"].map(lambda arm: templates.get(arm) or first)
    asked = answers[(answers["template"].astype(str) == template) & answers["readout"].isin(SAID)]
    mine = asked.merge(probes[["arm", "image_id"]].drop_duplicates())
    rows = []
    for (arm, readout), part in mine.groupby(["arm", "readout"], sort=False):
        level = cluster_interval(part["correct"].astype(float), part["content"].astype(str), 0)
        row = {"arm": arm, "readout": readout, "template": str(part["template"].iloc[0])}
        row |= {"accuracy": level.value}
        row |= {"low": level.low, "high": level.high, "n": len(part), "contents": part["content"].nunique()}
        rows.append(row)
    columns = ["arm", "readout", "template", "accuracy", "low", "high", "n", "contents"]
    return pd.DataFrame(rows, columns=columns)
