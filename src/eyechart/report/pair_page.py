"""Two runs side by side on one page: their answers, what differs, the images they answer otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from eyechart.report import views
from eyechart.report.answer import Answer, answers
from eyechart.report.gallery import SIDE
from eyechart.report.inputs import Inputs, read_inputs
from eyechart.report.numbers import Number, chance_of, percent, place, points
from eyechart.report.render import environment, policy, script
from eyechart.report.shelves import Gallery, gallery
from eyechart.report.tables import READOUTS, Tables, all_tables, records
from eyechart.report.views import Cell, Grid
from eyechart.runs import Run, writing

ALL = "all"
ALPHA = 0.05


@dataclass(frozen=True)
class Side:
    """One of the two runs, with what its report says."""

    name: str
    inputs: Inputs
    tables: Tables
    answers: list[Answer]

    @classmethod
    def of(cls, folder: Path, name: str) -> Side:
        """Read a run; nothing is written to it."""
        inputs = read_inputs(Run.open(folder))
        tables = all_tables(inputs)
        return cls(name, inputs, tables, answers(inputs, tables))


def build_pair_page(found: pd.DataFrame, folders: tuple[Path, Path], names: tuple[str, str]) -> Path:
    """Write the page into the folder of the second run, as ``compare-FIRST.html``, and return its path.

    Args:
        found: what :func:`eyechart.compare.compare_runs` says of the second run against the first.
        folders: the two run folders.
        names: what to call them.

    Raises:
        EyechartError: a file of a run is damaged, or the page cannot be written.
    """
    first, second = (Side.of(folder, name) for folder, name in zip(folders, names, strict=True))
    arms = tuple(dict.fromkeys(found["examined"].astype(str)))
    templates = environment()
    shown = _gallery(first, second, arms, templates.get_template("card.html.j2"))
    running = script("gallery.js") if shown else ""
    page = templates.get_template("pair.html.j2").render(
        forbid=policy(str(running)),
        script=running,
        first=first,
        second=second,
        inputs=second.inputs,
        pairs=list(zip(first.answers, second.answers, strict=True)),
        leads=_leads(found, first.name, second.name),
        overall=_overall(found, first.name, second.name),
        single=_single(found),
        confusions=_confusions(first, second, arms),
        gallery=shown,
        ways=views.WAYS,
        side=SIDE,
        turns=(
            f"wrong in {first.name}, right in {second.name}",
            f"right in {first.name}, wrong in {second.name}",
        ),
    )
    file = folders[1] / f"compare-{re.sub(r'[^A-Za-z0-9._-]+', '-', first.name)}.html"
    with writing(file) as partial:
        partial.write_text(page, encoding="utf-8")
    return file


def _told(row: dict[str, Any], start: str = "") -> str:
    """Say which of the two is better: only where the paired test and the interval agree."""
    number = Number.of(row, f"{start}difference", f"{start}low", f"{start}high")
    sure = row[f"{start}p_holm"] < ALPHA
    return (
        {"above": "better", "below": "worse"}.get(place(number, 0), "cannot tell") if sure else "cannot tell"
    )


def _asked(row: dict[str, Any]) -> str:
    held_out = " (held-out)" if row["template_split"] == "held-out" else ""
    return f"{row['examined']}, {row['template']}{held_out}, {views.WAYS.get(row['readout'], row['readout'])}"


def _leads(found: pd.DataFrame, first: str, second: str) -> list[str]:
    """Return one sentence per arm, on the first train wording by the readout that decides."""
    rows = found[found["label"] == ALL]
    leads = []
    for arm, part in rows.groupby("examined", sort=False):
        train = part[part["template_split"] == "train"]
        part = train if len(train) else part
        readout = next((name for name in READOUTS if name in set(part["readout"])), part["readout"].iloc[0])
        row = records(part[part["readout"] == readout])[0]
        words = {"better": f"{second} is better", "worse": f"{first} is better"}
        gap = Number.of(row, "balanced_difference", "balanced_low", "balanced_high")
        leads.append(
            f"{arm}, {views.WAYS.get(readout, readout)}, {row['template']}: {second} minus {first} is "
            f"{points(gap)} of balanced accuracy on the same {row['n']} images of {row['contents']} "
            f"contents; {words.get(_told(row, 'balanced_'), 'cannot tell which is better')}."
        )
    return leads


def _overall(found: pd.DataFrame, first: str, second: str) -> Grid:
    rows = []
    for row in records(found[found["label"] == ALL]):
        gaps = [
            Number.of(row, f"{start}difference", f"{start}low", f"{start}high") for start in ("", "balanced_")
        ]
        cells = [Cell(percent(row["reference_accuracy"]), row["reference_accuracy"])]
        cells += [Cell(percent(row["accuracy"]), row["accuracy"])]
        cells += [Cell(f"{points(gap).replace(' points (', chr(10)).rstrip(')')}") for gap in gaps]
        cells += [Cell(chance_of(row["balanced_p_holm"])), Cell(_told(row, "balanced_")), Cell(str(row["n"]))]
        rows.append((_asked(row), tuple(cells)))
    heads = (first, second, "difference, points", "balanced, points", "balanced, p", second, "images")
    return Grid(
        f"Accuracy, and {second} minus {first} on the same images with 95 % intervals",
        "asked",
        heads,
        tuple(rows),
    )


def _single(found: pd.DataFrame) -> Grid:
    """Return the recalls of single labels, those that differ first."""
    rows = found[found["label"] != ALL].sort_values("p_holm", kind="stable")
    lines = []
    for row in records(rows):
        gap = Number.of(row, "difference")
        cells = [percent(row["reference_accuracy"]), percent(row["accuracy"]), points(gap)]
        cells += [chance_of(row["p_holm"]), _told(row), str(row["n"])]
        lines.append((f"{row['label']}: {_asked(row)}", tuple(Cell(text) for text in cells)))
    names = tuple(found[["reference", "run"]].iloc[0].astype(str))
    heads = (*names, "difference", "p", names[1], "images")
    return Grid("Recall of single labels, the surest differences first", "label", heads, tuple(lines))


def _confusions(first: Side, second: Side, arms: tuple[str, ...]) -> list[tuple[Grid, Grid]]:
    """Return the confusion matrices of both runs, arm by arm and readout by readout."""
    found = []
    for arm in arms:
        for readout in READOUTS:
            both = [views.confusion_grid(side.tables, arm, readout) for side in (first, second)]
            if both[0] and both[1]:
                named = [
                    replace(grid, caption=f"{side.name}: {grid.caption}")
                    for side, grid in zip((first, second), both, strict=True)
                    if grid
                ]
                found.append((named[0], named[1]))
    return found


def _gallery(first: Side, second: Side, arms: tuple[str, ...], card: Any) -> Gallery | None:
    """Return the kept images that the two runs answer otherwise, with what both say."""
    if first.inputs.answers is None or second.inputs.answers is None:
        return None
    called = {(side.name, arm): f"{side.name}: {arm}" for side in (first, second) for arm in arms}
    parts = [
        part[part["arm"].isin(arms)].assign(arm=part["arm"].map(lambda arm, name=side.name: f"{name}: {arm}"))
        for side, part in ((first, first.inputs.answers), (second, second.inputs.answers))
    ]
    kept = [side.inputs.gallery for side in (first, second) if side.inputs.gallery is not None]
    prompts = [side.inputs.prompts for side in (first, second) if side.inputs.prompts is not None]
    if not kept:
        return None
    images = pd.concat(kept, ignore_index=True).drop_duplicates("image_id")
    both = replace(
        second.inputs,
        answers=pd.concat(parts, ignore_index=True),
        arms=tuple(called[side.name, arm] for arm in arms for side in (first, second)),
        gallery=images[images["image_id"].isin(_differing(first, second, arms))],
        prompts=pd.concat(prompts, ignore_index=True) if prompts else None,
    )
    before = {called[second.name, arm]: called[first.name, arm] for arm in arms}
    return gallery(both, card, before)


def _differing(first: Side, second: Side, arms: tuple[str, ...]) -> set[str]:
    """Return the images to which some arm of the two runs gave another answer to the same question."""
    keys = ["image_id", "arm", "template", "readout"]
    ours, theirs = (
        side.inputs.answers.loc[side.inputs.answers["arm"].isin(arms), [*keys, "predicted"]]
        for side in (first, second)
        if side.inputs.answers is not None
    )
    both = ours.merge(theirs, on=keys, suffixes=("_a", "_b"))
    unlike = both["predicted_a"].fillna("") != both["predicted_b"].fillna("")
    return set(both.loc[unlike, "image_id"])
