"""The answers in plain words follow from numbers: each verdict fires where it must, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from run_fixture import make_run

from eyechart.exam.shards import write_answers
from eyechart.report.answer import answers
from eyechart.report.inputs import read_inputs
from eyechart.report.numbers import Number, count, duration, interval, percent, place, plain, points
from eyechart.report.tables import build_tables
from eyechart.report.where import where_lost
from eyechart.runs import Run

Change = Callable[[pd.DataFrame], pd.DataFrame]


def verdicts(run: Run) -> list[str]:
    inputs = read_inputs(run)
    return [answer.verdict for answer in answers(inputs, build_tables(inputs))]


def knowing(share: float) -> Change:
    """Return a change of answers: every n-th of them is right, the others name the next label."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        labels = sorted(table["label"].unique())
        following = table["label"].map(lambda label: labels[(labels.index(label) + 1) % len(labels)])
        rank = table.groupby(["content", "label", "template", "readout"]).cumcount()
        size = table.groupby(["content", "label", "template", "readout"])["label"].transform("size")
        right = rank < share * size
        said = table["label"].where(right, following)
        without = table.drop(columns=["logp", "logp_mean", "logp_prior", "logp_first"])
        return without.assign(predicted=said, correct=right, status="label")

    return change


def rewrite(run: Run, arm: str, change: Change) -> None:
    write_answers(run, arm, change(run.read_table(f"arms/{arm}/answers")))


def test_places_need_intervals_that_do_not_overlap() -> None:
    assert place(Number(0.5, 0.4, 0.6), 0.3) == "above"
    assert place(Number(0.5, 0.4, 0.6), 0.7) == "below"
    assert place(Number(0.5, 0.4, 0.6), 0.6) == "cannot tell"
    assert place(Number(0.5, 0.4, 0.6), Number(0.65, 0.59, 0.7)) == "cannot tell"
    nothing = float("nan")
    assert place(Number(0.5, nothing, nothing), 0.1) == "cannot tell"


def test_numbers_are_written_for_people() -> None:
    nothing = float("nan")
    assert percent(0.149) == "14.9\u00a0%"
    assert percent(nothing) == "–"
    assert interval(-0.01, 0.2) == "−1.0 to 20.0"
    assert interval(nothing, nothing) == "no interval"
    assert interval(-0.0001, 0.0001) == "0.0 to 0.0"  # no zero has a sign
    assert plain(Number(-0.001, -1.234, 0.5)) == ("0.00", "−1.23 to 0.50")
    assert plain(Number(float("inf"), 1, 2)) == ("∞", "")
    assert points(Number(0.123, 0.1, 0.15)) == "+12.3 points (10.0 to 15.0)"
    assert [count(n) for n in (12, 9e6, 7.2e9)] == ["12", "9.0 M", "7.2 G"]
    assert [duration(s) for s in (1.23, 42, 185, 7800)] == ["1.2 s", "42 s", "3 min 5 s", "2 h 10 min"]


@pytest.mark.parametrize(
    ("share", "verdict"), [(0.9, "Yes, better than chance"), (0.0, "Not better than chance")]
)
def test_sees(tmp_path: Path, share: float, verdict: str) -> None:
    run = make_run(tmp_path / "run", arms=("base",), inside=False)
    rewrite(run, "base", knowing(share))
    assert verdicts(run)[0] == verdict


def test_no_repair_is_claimed_for_equal_arms(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector"), inside=False)
    for arm in run.arms():
        rewrite(run, arm, knowing(0.4))
    assert verdicts(run)[2] == "Nothing that was tried, beyond doubt"


def test_the_smallest_arm_among_equals_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector", "language", "all"), inside=False)
    for arm, share in (("base", 0.1), ("projector", 0.5), ("language", 0.9), ("all", 0.9)):
        rewrite(run, arm, knowing(share))
    assert verdicts(run)[2] == "Tuning language"


LADDER = {"encoder 1": 0.9, "encoder output": 0.9, "projector output": 0.9, "language 6": 0.9}


@pytest.mark.parametrize(
    ("changes", "pixels", "choose", "generate", "verdict"),
    [
        ({"encoder 1": 0.3, "encoder output": 0.2}, 0.5, 0.1, 0.1, "The encoder does not carry it"),
        ({"projector output": 0.4, "language 6": 0.4}, 0.5, 0.4, 0.4, "In the projector"),
        (
            {"encoder output": 0.4, "projector output": 0.4, "language 6": 0.4},
            0.5,
            0.4,
            0.4,
            "On the way up the encoder",
        ),
        ({"language 6": 0.4}, 0.5, 0.4, 0.4, "In the language model"),
        ({}, 0.5, 0.3, 0.3, "It is there and not read out"),
        ({}, 0.5, 0.9, 0.3, "In wording or decoding"),
        ({"projector output": 0.7}, 0.5, 0.2, 0.2, "It is there and not read out, most of all"),
        ({}, 0.5, 0.9, 0.9, "Cannot tell at n = 100"),
    ],
)
def test_where_it_is_lost(
    changes: dict[str, float], pixels: float, choose: float, generate: float, verdict: str
) -> None:
    levels = LADDER | changes
    rows = [(name, order, "probe", level) for order, (name, level) in enumerate(levels.items())]
    rows += [("encoder 1", 0, "shuffled", 0.12), ("pixels", -1, "pixels", pixels)]
    stages = pd.DataFrame(rows, columns=["stage", "order", "kind", "accuracy"])
    stages = stages.assign(arm="base", n=100, contents=10)
    stages = stages.assign(low=stages["accuracy"] - 0.05, high=stages["accuracy"] + 0.05)
    kinds = pd.DataFrame({"readout": ["choose", "generate"], "accuracy": [choose, generate]})
    kinds = kinds.assign(arm="base", template_split="train")
    kinds = kinds.assign(low=kinds["accuracy"] - 0.05, high=kinds["accuracy"] + 0.05)
    told, reasons = where_lost({"stages": stages, "kinds": kinds}, 1 / 8)
    assert told == verdict
    assert not any(reason.startswith("Beware") for reason in reasons)


def test_a_probe_that_learns_shuffled_labels_is_warned_of() -> None:
    stages = pd.DataFrame(
        {"stage": ["encoder 1"] * 2, "kind": ["probe", "shuffled"], "accuracy": [0.6, 0.58]}
    )
    stages = stages.assign(arm="base", n=100, order=0, low=0.5, high=0.7)
    assert where_lost({"stages": stages}, 1 / 8)[1][0].startswith("Beware")


def test_an_arm_without_probes_is_not_judged() -> None:
    stages = pd.DataFrame({"stage": ["encoder 1"], "kind": ["probe"], "accuracy": [0.6]})
    stages = stages.assign(arm="all", n=100, order=0, low=0.5, high=0.7)
    assert where_lost({"stages": stages}, 1 / 8)[0] == "Not examined yet"
