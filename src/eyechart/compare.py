"""Runs side by side: the same questions about the same images, answered by two subjects or more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from eyechart.errors import EyechartError
from eyechart.exam.shards import finished, folder_of
from eyechart.measures.coding import headline
from eyechart.measures.comparison import QUESTION, compare_arms, compare_labels
from eyechart.measures.statistics import holm
from eyechart.runs import Run

ALL = "all"
READ = ["image_id", "content", "label", *QUESTION, "order", "repeat", "predicted"]
COLUMNS = [
    *("examined", "run", "reference", *QUESTION, "label", "n", "contents", "accuracy", "reference_accuracy"),
    *("difference", "low", "high", "p", "p_holm"),
    *("balanced_difference", "balanced_low", "balanced_high", "balanced_p", "balanced_p_holm"),
]


def compare_runs(folders: Sequence[Path], seed: int = 0) -> pd.DataFrame:
    """Return the accuracy of every run minus that of the first, on the images that both have answered.

    Arms of the same name are compared, on the templates and readouts that both runs have. The p-values come
    from swapping the two runs in whole contents. Holm's correction runs over all rows of accuracy over all
    labels, over those of balanced accuracy, and over the labels of each arm, run, template and readout.

    Args:
        folders: run folders of one dataset; the first is what the others are compared with.
        seed: of the bootstrap and the permutations.

    Returns:
        One row per arm (``examined``), run, template, readout and label ("all" first): the columns of
        ``COLUMNS``. Intervals are at 95 %, by a bootstrap over contents; balanced accuracy is told for "all".

    Raises:
        EyechartError: fewer than two runs, one named twice, no answers yet, other datasets or wordings, or
            nothing in common.
    """
    if len(folders) < 2:
        raise EyechartError("there is one run to compare", "name two run folders or more")
    names = run_names(folders)
    runs = {name: Run.open(folder) for name, folder in zip(names, folders, strict=True)}
    labels = _one_dataset(runs)
    reference, *others = names
    parts = []
    for name in others:
        _same_wordings(runs[reference], runs[name], reference, name)
        parts += _against(runs[reference], runs[name], reference, name, labels, seed)
    if not parts:
        raise EyechartError(
            f"no arm, template and readout of {reference} is in another run",
            "examine the subjects with the same templates and readouts",
        )
    return _corrected(pd.concat(parts, ignore_index=True))[COLUMNS]


def run_names(folders: Sequence[Path]) -> list[str]:
    """Return what to call each run: its folder's name, or its path where that is not unique."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise EyechartError("a run is named twice", "name each run folder once")
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _one_dataset(runs: dict[str, Run]) -> tuple[str, ...]:
    """Return the labels of the dataset that all runs are of."""
    cards: dict[str, dict[str, Any]] = {name: run.read_json("dataset.json") for name, run in runs.items()}
    hashes = {name: str(card.get("hash")) for name, card in cards.items()}
    if len(set(hashes.values())) > 1:
        told = ", ".join(f"{name} of {digest}" for name, digest in hashes.items())
        raise EyechartError(
            f"the runs are of different datasets: {told}",
            "examine all subjects on one dataset; numbers from different images cannot be compared",
        )
    return tuple(next(iter(cards.values()))["label_map"]["labels"])


def _same_wordings(first: Run, second: Run, *names: str) -> None:
    """Refuse templates that have one name and two texts; runs that keep no wordings cannot be checked."""
    wordings: list[dict[str, str]] = [run.config.get("wordings") or {} for run in (first, second)]
    for template in wordings[0].keys() & wordings[1].keys():
        if wordings[0][template] != wordings[1][template]:
            raise EyechartError(
                f"the template {template} is worded otherwise in {names[0]} than in {names[1]}",
                "examine both with the same templates",
            )


def _against(
    ours: Run, theirs: Run, reference: str, name: str, labels: tuple[str, ...], seed: int
) -> list[pd.DataFrame]:
    """Return the comparisons of all arms that two runs share."""
    parts = []
    for arm in _arms(ours, reference):
        if arm not in _arms(theirs, name):
            continue
        tables = [
            headline(run.read_table(folder_of(arm)))[READ].assign(arm=who)
            for run, who in ((ours, reference), (theirs, name))
        ]
        both = _shared(*tables)
        if both.empty:
            continue
        overall = compare_arms(both, labels, base=reference, seed=seed).assign(label=ALL)
        each = compare_labels(both, labels, base=reference, seed=seed)
        parts += [
            table.rename(
                columns={"arm": "run", "base": "reference", "base_accuracy": "reference_accuracy"}
            ).assign(examined=arm)
            for table in (overall, each)
        ]
    return parts


def _arms(run: Run, name: str) -> list[str]:
    found = [arm for arm in run.arms() if finished(run, arm)]
    if not found:
        raise EyechartError(f"{name} holds no answers yet", "run its exam first")
    return found


def _shared(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Return both tables with the questions (template and readout) that both have on some image."""
    keys = ["image_id", *QUESTION]
    common = ours[keys].merge(theirs[keys], on=keys)[QUESTION].drop_duplicates()
    return pd.concat([ours, theirs], ignore_index=True).merge(common, on=QUESTION)


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """Correct the p-values over all labels as one family each; those of single labels are corrected."""
    overall = table["label"] == ALL
    for measure in ("", "balanced_"):
        table.loc[overall, f"{measure}p_holm"] = holm(table.loc[overall, f"{measure}p"])
    return table
