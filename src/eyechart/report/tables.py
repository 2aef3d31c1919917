"""Every number of the report, computed once from the run's answers and kept as CSV in ``tables/``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from eyechart.measures.accuracy import accuracy_by, by_label, by_level, exam_table
from eyechart.measures.comparison import agreement, compare_arms, template_gap
from eyechart.measures.confusion import confusion
from eyechart.measures.statistics import cluster_interval
from eyechart.quality.tables import score_tables
from eyechart.report.causal_tables import causal_tables
from eyechart.report.exam_tables import exam_tables
from eyechart.report.inputs import Inputs
from eyechart.report.ladder_tables import ladder_tables
from eyechart.report.word_tables import word_tables

Tables = dict[str, pd.DataFrame]
PIXELS = "pixel statistics"
KINDS = ("train", "held-out")
READOUTS = ("choose", "generate", "yes-no")  # the first that was asked decides


def build_tables(inputs: Inputs) -> Tables:
    """Compute the tables that the run's parts allow, and write each to ``tables/<name>.csv``."""
    tables = all_tables(inputs)
    for name, table in tables.items():
        inputs.run.write_table(table, f"tables/{name}.csv")
    return tables


def all_tables(inputs: Inputs) -> Tables:
    """Return the tables that the run's parts allow.

    Returns:
        exam (per arm, template, readout), kinds (templates of one kind pooled), levels, label_levels,
        recalls, confusion, compare, repairs (every arm against base by the readout that decides), gap,
        agreement, status, baselines, versus_pixels, content, arms (the summary), and those of
        :func:`eyechart.report.word_tables.word_tables`,
        :func:`eyechart.report.ladder_tables.ladder_tables`,
        :func:`eyechart.report.exam_tables.exam_tables` and
        :func:`eyechart.quality.tables.score_tables`. A table whose part is missing is absent.
    """
    tables: Tables = {}
    if inputs.answers is not None:
        tables |= _of_answers(inputs.answers, inputs.labels)
    if inputs.every is not None:
        tables |= exam_tables(inputs.every, inputs.labels, temperature_of(inputs.config))
    if inputs.baselines is not None:
        tables["baselines"] = exam_table(_as_answers(inputs.baselines), inputs.labels)
        if inputs.answers is not None:
            tables["versus_pixels"] = _versus_pixels(inputs.answers, inputs.baselines, inputs.labels)
    if inputs.scores is not None and inputs.targets is not None:
        tables |= score_tables(inputs.scores, inputs.targets, inputs.answers)
    if inputs.content is not None:
        tables["content"] = _content(inputs.content)
    tables |= word_tables(inputs)
    tables |= ladder_tables(inputs)
    tables |= causal_tables(inputs)
    judged = {"rungs": inputs.rungs, "verdict": inputs.verdict}
    tables |= {name: table for name, table in judged.items() if table is not None}
    tables["arms"] = _summary(inputs, tables)
    return tables


def temperature_of(config: dict[str, Any]) -> float:
    """Return that of the samples; endpoints and graded answers, which have none, take the usual one."""
    return float(config.get("exam", {}).get("temperature", 0.7))


def _of_answers(answers: pd.DataFrame, labels: tuple[str, ...]) -> Tables:
    pooled = answers.assign(template=answers["template_split"])
    main = main_rows(pooled)
    tables = {
        "exam": exam_table(answers, labels),
        "kinds": exam_table(pooled, labels),
        "levels": by_level(main),
        "recalls": by_label(main, labels),
        "label_levels": _label_levels(main),
        "confusion": _confusions(main, labels),
        "gap": template_gap(answers),
        "agreement": agreement(answers),
        "status": _status(answers),
    }
    if "base" in set(answers["arm"]):
        tables["compare"] = compare_arms(answers, labels)
        tables["repairs"] = compare_arms(_decisive(answers), labels)
    return tables


def _decisive(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the answers to the first main template by the readout that decides: one family of tests."""
    main = main_rows(answers[answers["readout"] == decisive_readout(answers)])
    first: pd.DataFrame = main[main["template"] == main["template"].iloc[0]]
    return first


def main_rows(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the answers that the main numbers are of: to train wordings, or to all where there is none."""
    train = answers[answers["template_split"] == "train"]
    return train if len(train) else answers


def decisive_readout(answers: pd.DataFrame) -> str:
    """Return the first of ``READOUTS`` that was asked."""
    return next(name for name in READOUTS if name in set(answers["readout"]))


def _label_levels(main: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy per arm, readout, label and level."""
    parts = [
        accuracy_by(part, "level").assign(label=label) for label, part in main.groupby("label", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def _confusions(main: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return counts per arm, readout, true and predicted label, one row each."""
    parts = []
    for (arm, readout), part in main.groupby(["arm", "readout"], sort=False):
        counts = confusion(part, labels).reset_index().melt("label", var_name="predicted", value_name="n")
        parts.append(counts.assign(arm=str(arm), readout=str(readout)))
    columns = ["label", "predicted", "n", "arm", "readout"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _status(answers: pd.DataFrame) -> pd.DataFrame:
    """Return, per arm and template, the share of generated answers with each status."""
    texts = answers[answers["readout"] == "generate"]
    keys = ["arm", "template", "template_split"]
    shares = texts.groupby(keys, sort=False)["status"].value_counts(normalize=True)
    return shares.rename("share").reset_index()


def _as_answers(baselines: pd.DataFrame) -> pd.DataFrame:
    return baselines.assign(arm=baselines["baseline"], template="none", template_split="none", readout="none")


def _versus_pixels(answers: pd.DataFrame, baselines: pd.DataFrame, labels: tuple[str, ...]) -> pd.DataFrame:
    """Compare every arm with the pixel statistics on the same images, for each main template and readout."""
    pixels = baselines[baselines["baseline"] == PIXELS].assign(arm=PIXELS)
    main = main_rows(answers)
    questions = main[["template", "template_split", "readout"]].drop_duplicates()
    columns = ["image_id", "content", "label", "predicted", "arm", *questions.columns]
    both = pd.concat([main[columns], pixels.merge(questions, how="cross")[columns]], ignore_index=True)
    return compare_arms(both, labels, base=PIXELS)


def _content(content: pd.DataFrame) -> pd.DataFrame:
    """Return accuracy on what the picture shows, per arm and question, and its change against ``base``.

    Columns: arm, question ("all" for all of them), n, accuracy, low, high, change, change_low, change_high.
    """
    everything = pd.concat([content.assign(question="all"), content], ignore_index=True)
    base = everything[everything["arm"] == "base"]
    rows = []
    for (arm, question), part in everything.groupby(["arm", "question"], sort=False):
        found = cluster_interval(part["correct"], part["content"].astype(str), 0)
        row = {"arm": arm, "question": question, "n": len(part)}
        row |= {"accuracy": found.value, "low": found.low, "high": found.high}
        rows.append(row | _paired(part, base[base["question"] == question]))
    return pd.DataFrame(rows)


def _paired(part: pd.DataFrame, base: pd.DataFrame) -> dict[str, float]:
    """Return the mean change against ``base`` on the same items, which may hold several answers per image."""
    ours, theirs = (side.groupby(["image_id", "content"])["correct"].mean() for side in (part, base))
    both = pd.concat([ours.rename("ours"), theirs.rename("theirs")], axis=1, join="inner")
    if both.empty:
        return {"change": np.nan, "change_low": np.nan, "change_high": np.nan}
    contents = both.index.get_level_values("content").astype(str)
    found = cluster_interval(both["ours"] - both["theirs"], contents, 0)
    return {"change": found.value, "change_low": found.low, "change_high": found.high}


def _summary(inputs: Inputs, tables: Tables) -> pd.DataFrame:
    """Return one row per arm: what it was tuned for, what it gained, what it cost."""
    rows = []
    for arm in inputs.arms:
        row: dict[str, Any] = {"arm": arm}
        for kind in KINDS:
            for readout in READOUTS:
                found = pick(tables.get("kinds"), arm=arm, template_split=kind, readout=readout)
                ends = ("balanced_accuracy", "balanced_low", "balanced_high")
                row |= _renamed(found, ends, f"{kind}_{readout}")
        row |= _renamed(
            pick(tables.get("content"), arm=arm, question="all"), ("accuracy", "low", "high"), "content"
        )
        row["seconds"] = _seconds(inputs.losses, arm)
        components = inputs.proofs.get(arm, {}).get("components", {}).values()
        row["parameters"] = sum(one["parameters"] for one in components) if components else np.nan
        row["trained_parameters"] = sum(one["trainable"] for one in components) if components else np.nan
        row["proof_ok"] = inputs.proofs.get(arm, {}).get("ok")
        rows.append(row)
    return pd.DataFrame(rows)


def _renamed(found: dict[str, Any] | None, ends: Iterable[str], name: str) -> dict[str, Any]:
    names = (name, f"{name}_low", f"{name}_high")
    return {new: found[old] if found else np.nan for new, old in zip(names, ends, strict=True)}


def _seconds(losses: pd.DataFrame | None, arm: str) -> float:
    if losses is None or arm not in set(losses["arm"]):
        return float("nan")
    return float(losses.loc[losses["arm"] == arm, "seconds"].max())


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows, each as column to value."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def pick(table: pd.DataFrame | None, **where: object) -> dict[str, Any] | None:
    """Return the first row of a table that has the given values, or None."""
    if table is None or table.empty:
        return None
    mask = np.logical_and.reduce([(table[column] == value).to_numpy() for column, value in where.items()])
    return next(iter(records(table[mask])), None)
