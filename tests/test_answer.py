"""The answers in plain words follow from numbers: each verdict fires where it must, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from run_fixture import make_run

from eyechart.exam.shards import write_answers
from eyechart.inside.rungs import ENCODER
from eyechart.inside.verdict import decide
from eyechart.report.answer import answers
from eyechart.report.inputs import read_inputs
from eyechart.report.numbers import Number, count, duration, interval, percent, place, plain, points
from eyechart.report.tables import build_tables
from eyechart.report.where import where_lost, where_part
from eyechart.report.wording import overfits
from eyechart.runs import Run
from eyechart.subjects.stages import ENCODED

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


def test_a_label_that_is_named_without_looking_is_not_called_seen(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base",), inside=False)
    labels = sorted(run.read_table("arms/base/answers")["label"].unique())

    def blind(table: pd.DataFrame) -> pd.DataFrame:
        told = table.assign(predicted=labels[0], correct=table["label"] == labels[0], status="label")
        return told.drop(columns=["logp", "logp_mean", "logp_prior", "logp_first"])

    rewrite(run, "base", blind)
    inputs = read_inputs(run)
    reasons = answers(inputs, build_tables(inputs))[0].reasons
    assert "No label is surely named more often on its own images than on the others." in reasons
    rewrite(run, "base", knowing(0.9))
    inputs = read_inputs(run)
    (seen,) = [
        reason
        for reason in answers(inputs, build_tables(inputs))[0].reasons
        if reason.startswith("Named more often on a label's own images")
    ]
    assert all(label in seen for label in labels)


def test_texts_without_a_label_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base",), inside=False)

    def silent(table: pd.DataFrame) -> pd.DataFrame:
        texts = table["readout"] == "generate"
        said = table["predicted"].mask(texts)
        return table.assign(predicted=said, correct=(said == table["label"]).fillna(False).astype(bool))

    rewrite(run, "base", silent)
    inputs = read_inputs(run)
    (told,) = [
        reason
        for reason in answers(inputs, build_tables(inputs))[0].reasons
        if reason.startswith("Untuned, answering in its own words")
    ]
    assert "answers names a label, so that none is right" in told


@pytest.mark.parametrize(("gap", "gained", "found"), [(0.1, 0.2, True), (0.0, 0.2, False), (0.1, 0.0, False)])
def test_overfitting_needs_a_gap_of_its_own_and_a_larger_one_than_base(
    gap: float, gained: float, *, found: bool
) -> None:
    own = {"arm": "all", "readout": "choose", "gap": gap, "low": gap - 0.05, "high": gap + 0.05}
    more = {"arm": "all", "readout": "choose", "difference": gained, "low": gained - 0.05}
    more |= {"high": gained + 0.05, "p_holm": 0.001}
    tables = {"gap": pd.DataFrame([own]), "gap_of_gaps": pd.DataFrame([more])}
    assert overfits(tables, "all", "choose") is found


def test_what_a_repair_spoils_stands_in_its_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "language"), inside=False)
    for arm, share in (("base", 0.1), ("language", 0.9)):
        rewrite(run, arm, knowing(share))
    inputs = read_inputs(run)
    tables = build_tables(inputs)
    for high, verdict in ((-0.1, "Tuning language, at a cost"), (0.1, "Tuning language")):
        change = {"arm": "language", "question": "all", "change": -0.2, "change_low": -0.3}
        spoilt = tables | {"content": pd.DataFrame([change | {"change_high": high}])}
        assert answers(inputs, spoilt)[2].verdict == verdict


def test_a_loss_within_the_encoder_is_not_said_not_to_be_carried() -> None:
    found = decide({ENCODER: {"state": "kept"}, ENCODED: {"state": "lost"}})
    row = {"scope": "overall", "verdict": found.verdict, "why": found.why, "n": 9, "contents": 3}
    numbers = "Encoder output keeps 2 % of what encoder 3 (40 of 100) tells apart."
    row |= {"arm": "base", "sentence": f"The encoder does not carry it: {found.why}. {numbers}"}
    told, (reason,) = where_lost({"verdict": pd.DataFrame([row])})
    assert told == "Lost within the vision encoder"
    assert reason.startswith("An early layer holds it, a later one loses it. Encoder output keeps 2 %")


def test_no_repair_is_claimed_for_equal_arms(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector"), inside=False)
    for arm in run.arms():
        rewrite(run, arm, knowing(0.4))
    assert verdicts(run)[2] == "Nothing that was tried, beyond doubt"


def test_an_interval_above_zero_without_a_test_says_why_no_gain_is_claimed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector"), inside=False)
    for arm, share in (("base", 0.1), ("projector", 0.9)):
        rewrite(run, arm, knowing(share))
    inputs = read_inputs(run)
    tables = build_tables(inputs)
    assert answers(inputs, tables)[2].reasons[0].endswith("; a gain.")
    unproved = {**tables, "repairs": tables["repairs"].assign(balanced_p_holm=0.2)}
    told = answers(inputs, unproved)[2]
    assert told.verdict == "Nothing that was tried, beyond doubt"
    assert f"p = 0.2, from {tables['repairs']['contents'].iloc[0]} contents" in told.reasons[0]


def test_the_smallest_arm_among_equals_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=("base", "projector", "language", "all"), inside=False)
    for arm, share in (("base", 0.1), ("projector", 0.5), ("language", 0.9), ("all", 0.9)):
        rewrite(run, arm, knowing(share))
    assert verdicts(run)[2].startswith("Tuning language")


def test_where_it_is_lost_is_told_overall_and_for_the_labels_of_each_verdict() -> None:
    rows = [
        ("overall", "projector", "", "The projector loses it. projector output keeps 9 %."),
        ("blur", "projector", "", "The projector loses it. projector output keeps 2 %."),
        ("noise", "cannot tell", "in the projector or in the language model", "Cannot tell at n = 400."),
        ("clean", "perceived", "", "Perceived. generate keeps 98 %."),
    ]
    table = pd.DataFrame(rows, columns=["scope", "verdict", "why", "sentence"])
    verdict = table.assign(arm="base", n=400, contents=8)
    told, reasons = where_lost({"verdict": verdict})
    assert told == "The projector loses it"
    assert reasons[1:] == ("The projector loses it: blur.", "Perceived: clean.", "Cannot tell: noise.")
    part = where_part({"verdict": verdict}, ("base", "all"))
    assert part is not None
    assert [name for name, _ in part.grids[0].rows] == ["blur", "noise", "clean"]
    assert where_part({}, ("base",)) is None


def test_an_arm_without_probes_is_not_judged() -> None:
    assert where_lost({})[0] == "Not examined yet"
