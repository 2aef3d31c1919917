"""The instrument examined: the verdicts on a subject that sees, with faults that are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from eyechart.inside.competent import DATASET, EXAM, INSIDE, SEED, TUNE, competent_subject, known
from eyechart.inside.kept import OVERALL, measure
from eyechart.inside.look import Look, look_inside, remove_states
from eyechart.inside.plants import NO_FAULT, Known, Plant, all_plants
from eyechart.inside.rungs import sheet
from eyechart.inside.verdict import PROBES, UNKNOWN, rungs, verdicts
from eyechart.progress import track
from eyechart.runs import Run
from eyechart.seeds import rng

if TYPE_CHECKING:
    from eyechart.dataset import Dataset
    from eyechart.subjects.model import ModelSubject

RESULT = "self_check.json"
_HEALTHY = "base"  # the arm of the run that has no fault
_DONE = "planted.json"  # of an arm: it was examined and probed with its fault
_NOTHING: Mapping[str, str] = {}
_SUBSETS = 6  # of the test contents, on which the healthy subject is judged again


def self_check(out: Path, only: Sequence[str] = (), say: Callable[[str], None] = print) -> bool:
    """Plant each fault, judge the subject, and compare with the verdict that was written down beside it.

    Everything is kept in ``out`` as it is made; the same command goes on where it was stopped.

    Args:
        out: the folder.
        only: names of faults, beside none at all; all by default.
        say: where progress and the table are told.

    Returns:
        Whether every verdict is right. ``self_check.json`` holds them all.
    """
    settings = {"dataset": DATASET, "tune": TUNE, "exam": EXAM, "inside": INSIDE}
    plan = {name: value.model_dump(mode="json") for name, value in settings.items()}
    run = Run.create(out / "run", {"subject": "nano", "seed": SEED, **plan})
    subject, dataset = competent_subject(out, say)
    look = _look(run, _HEALTHY, subject, dataset, say)
    facts = known(subject, dataset, look.question)
    # The healthy subject comes first, always: what is said of it a fault has to change.
    healthy: dict[str, str] = {}
    plants = [
        plant for plant in all_plants(dataset.labels) if not (only and plant.part) or plant.name in only
    ]
    found = []
    for plant in track(plants, "planting faults", len(plants)):
        arm = arm_name(plant)
        judged = _judged(run, arm, plant, subject, dataset, facts, say)
        found.append(compared(plant, judged, healthy))
        if not plant.part:
            healthy = {scope: one["found"] for scope, one in found[-1]["scopes"].items()}
        say(told(found[-1]))
    found += _subsets(look)
    run.write_json({"right": all(one["right"] for one in found), "plants": found}, RESULT)
    say(_table(found))
    return all(one["right"] for one in found)


def arm_name(plant: Plant) -> str:
    """Return the arm of the run that a fault is filed under."""
    return _HEALTHY if not plant.part else re.sub("[^a-z0-9]+", "-", plant.name.lower()).strip("-")


def compared(plant: Plant, judged: pd.DataFrame, healthy: Mapping[str, str] = _NOTHING) -> dict[str, Any]:
    """Hold verdicts against what is true of a fault.

    A fault is not found by verdicts that the healthy subject gets as well: where those meet everything that
    is expected, the fault proves nothing and counts as wrong.

    Args:
        plant: the fault.
        judged: what :func:`eyechart.inside.verdict.verdicts` returned.
        healthy: by scope the verdicts on the subject without a fault; empty for that subject itself. Where
            it cannot be told of it, it need not be told with a fault either.
    """
    scopes = {}
    for row in judged.to_dict("records"):
        expected = plant.expected(str(row["scope"]))
        if expected and healthy.get(str(row["scope"])) == UNKNOWN:
            expected = tuple(dict.fromkeys((*expected, UNKNOWN)))
        right = not expected or row["verdict"] in expected
        scopes[str(row["scope"])] = {
            "expected": list(expected),
            "found": row["verdict"],
            "right": right,
            "sentence": row["sentence"],
        }
    shows = not healthy or any(
        one["expected"] and healthy[scope] not in one["expected"] for scope, one in scopes.items()
    )
    return {
        "plant": plant.name,
        "because": plant.because,
        "shows": shows,
        "right": shows and all(scope["right"] for scope in scopes.values()),
        "scopes": scopes,
    }


def told(found: dict[str, Any]) -> str:
    """Return what was found of one fault, in lines."""
    lines = [f"{found['plant']}: {'right' if found['right'] else 'WRONG'}"]
    if not found["shows"]:
        lines.append("  the subject without a fault gets the expected verdicts, too: this proves nothing")
    for scope, one in found["scopes"].items():
        if scope == OVERALL or not one["right"]:
            expected = " or ".join(one["expected"]) or "any"
            lines.append(f"  {scope}: expected {expected}; found {one['sentence']}")
    return "\n".join(lines)


def _look(run: Run, arm: str, subject: ModelSubject, dataset: Dataset, say: Callable[[str], None]) -> Look:
    return Look.of(run, arm, subject, dataset, INSIDE, SEED, say=say)


def _judged(
    run: Run,
    arm: str,
    plant: Plant,
    subject: ModelSubject,
    dataset: Dataset,
    facts: Known,
    say: Callable[[str], None],
) -> pd.DataFrame:
    """Examine the subject with a fault, look inside it, and return the verdicts."""
    from eyechart.exam.processes import Processes
    from eyechart.exam.run import examine

    look = _look(run, arm, subject, dataset, say)
    if not run.has(look.file(_DONE)):
        with plant.planted(subject, facts), run.timer(arm):
            examine(run, arm, subject, dataset, EXAM, seed=SEED, processes=Processes(), say=say)
            if plant.part == "answers":  # nothing that a probe sees is touched
                run.write_table(run.read_table(f"arms/{_HEALTHY}/{PROBES}"), look.file(PROBES))
            look_inside(look, (PROBES,))
        remove_states(run, arm)
        run.write_json({"plant": plant.name}, look.file(_DONE))
    return verdicts(rungs(look))  # judged anew each time: it costs a second


def _subsets(look: Look) -> list[dict[str, Any]]:
    """Judge the healthy subject on halves of the test contents."""
    images = sheet(look.found(PROBES), look.answers, look.template, look.labels)
    healthy, found = all_plants(look.labels)[0], []
    for seed in range(_SUBSETS):
        contents = rng(SEED, "subset", seed).permutation(int(images.content.max()) + 1)
        rows = np.isin(images.content, contents[: len(contents) // 2])
        judged = verdicts(measure(images.of(rows), seed))
        one = compared(healthy, judged)
        scopes = one["scopes"] | {OVERALL: one["scopes"][OVERALL] | {"expected": list(NO_FAULT)}}
        scopes[OVERALL]["right"] = scopes[OVERALL]["found"] in NO_FAULT
        right = all(scope["right"] for scope in scopes.values())
        found.append(
            one | {"plant": f"none, half {seed + 1} of the contents", "scopes": scopes, "right": right}
        )
    return found


def _table(found: Sequence[dict[str, Any]]) -> str:
    """Return the table that the terminal shows."""
    from rich.table import Table

    from eyechart.exam.console import rendered

    table = Table(box=None, pad_edge=False)
    for name in ("fault", "overall", "labels as demanded", "right?"):
        table.add_column(name)
    for one in found:
        demanded = [row for scope, row in one["scopes"].items() if scope != OVERALL and row["expected"]]
        right = f"{sum(row['right'] for row in demanded)} of {len(demanded)}"
        overall = one["scopes"][OVERALL]["found"]
        table.add_row(one["plant"], overall, right, "yes" if one["right"] else "NO")
    wrong = [one["plant"] for one in found if not one["right"]]
    summary = f"{len(found) - len(wrong)} of {len(found)} right"
    return rendered([table, summary])
