"""Tables of how the answers depend on the way of asking, and of how far their scores can be believed."""

from __future__ import annotations

import pandas as pd

from eyechart.measures.accuracy import GROUP
from eyechart.measures.calibration import calibration, reliability
from eyechart.measures.choosing import answer_prior, prior_bias, readings
from eyechart.measures.coding import code, headline
from eyechart.measures.consistency import consistency
from eyechart.measures.option_order import chosen_positions, option_order
from eyechart.measures.sampling import OFF, sampling
from eyechart.measures.sensitivity import gap_of_gaps, template_sensitivity
from eyechart.measures.signal import detection
from eyechart.measures.statistics import cluster_means


def exam_tables(
    every: pd.DataFrame, labels: tuple[str, ...], temperature: float = 0.7
) -> dict[str, pd.DataFrame]:
    """Return the tables that the answers allow; one that would be empty is absent.

    Args:
        every: all answers, also to permuted options and sampled ones.
        labels: the labels of the exam, in its order.
        temperature: of the samples.

    Returns:
        templates (kind and language of each), sensitivity, gap_of_gaps, readings, prior, prior_bias, named
        (histogram of the answers), option_order, positions, sampling, consistency, calibration, reliability,
        detection.
    """
    answers = headline(every)
    checked = sampling(every, temperature)
    found = {
        "templates": answers[["template", "template_split", "kind", "language"]].drop_duplicates(),
        "sensitivity": template_sensitivity(answers, labels),
        "readings": readings(answers, labels),
        "prior": answer_prior(answers, labels),
        "prior_bias": prior_bias(answers, labels),
        "named": named(answers, labels),
        "option_order": option_order(every, labels),
        "positions": chosen_positions(every, labels),
        "sampling": checked,
        "consistency": consistency(_sampled(every, checked), labels, temperature=temperature),
        "calibration": calibration(answers, labels),
        "reliability": reliability(answers, labels),
        "detection": detection(answers, labels),
    }
    if {"base"} < set(answers["arm"]):
        found["gap_of_gaps"] = gap_of_gaps(answers)
    return {name: table for name, table in found.items() if not table.empty}


def named(answers: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return how often each label is named, per arm, template and readout.

    Returns:
        The columns of the group, label, share, low, high (95 % over contents). Shares of answers; those that
        name no label are missing from 1.
    """
    rows = []
    for keys, part in answers.groupby(GROUP, sort=False):
        coded = code(part, labels)
        says = coded.predicted[:, None] == range(len(labels))
        value, low, high = cluster_means(says, coded.content, 0)
        rows += [(*keys, label, value[i], low[i], high[i]) for i, label in enumerate(labels)]
    return pd.DataFrame(rows, columns=[*GROUP, "label", "share", "low", "high"])


def _sampled(every: pd.DataFrame, checked: pd.DataFrame) -> pd.DataFrame:
    """Return the answers without those groups whose repeats were not sampled: they measure nothing."""
    off = checked.loc[checked["sampling"] == OFF, GROUP]
    return every[~pd.MultiIndex.from_frame(every[GROUP]).isin(pd.MultiIndex.from_frame(off))]
