"""The verdict on rungs that are made by hand: each must be given where it is true, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyechart.inside import rungs as r
from eyechart.inside.kept import KEPT, LOST, OVERALL, UNSURE, measure
from eyechart.inside.verdict import (
    IN_ENCODER,
    IN_LANGUAGE,
    IN_PROJECTOR,
    IN_WORDS,
    NOT_READ,
    PERCEIVED,
    UNKNOWN,
    decide,
    verdicts,
)
from eyechart.subjects.stages import ENCODED, LAST, PROJECTED

LABELS = ("blur", "noise", "brightness", "clean")
CONTENTS, PER = 16, 3
TRUE = np.tile(np.repeat(np.arange(4), PER), CONTENTS)
CONTENT = np.repeat(np.arange(CONTENTS), 4 * PER)


def seeing(draw: np.random.Generator, skill: float = 0.9, blind: tuple[int, ...] = ()) -> r.Ints:
    """Name what is there with a skill, else anything; labels in ``blind`` are never seen."""
    right = (draw.random(len(TRUE)) < skill) & ~np.isin(TRUE, blind)
    return np.where(right, TRUE, draw.integers(0, 4, len(TRUE)))


def chain(draw: np.random.Generator, lost_at: str | None, blind: tuple[int, ...] = (0, 1, 2, 3)) -> r.Sheet:
    """Return rungs that all see, but from ``lost_at`` on not the labels in ``blind``."""
    named: dict[str, dict[str, r.Ints]] = {}
    ways = {r.ENCODER: 6, r.LANGUAGE: 4, r.OTHERS_CHOSEN: 2, r.OTHERS_WRITTEN: 2}
    lost: tuple[int, ...] = ()
    for rung in (name for name in r.RUNGS if name not in (r.RENAMED, r.CORRECTED)):
        lost = blind if rung == lost_at else lost
        named[rung] = {f"{rung} {i}": seeing(draw, blind=lost) for i in range(ways.get(rung, 1))}
    whole = r.Sheet(LABELS, TRUE, CONTENT, named)
    return add(whole, r.RENAMED, r.relabelled(next(iter(named[r.CHOSEN].values())), whole))


def add(images: r.Sheet, rung: str, named: r.Ints) -> r.Sheet:
    every = images.named | {rung: {rung: named}}
    return r.Sheet(LABELS, TRUE, CONTENT, {name: every[name] for name in r.RUNGS if name in every})


def found(images: r.Sheet) -> dict[str, str]:
    table = verdicts(measure(images, 0))
    return dict(zip(table["scope"], table["verdict"], strict=True))


@pytest.mark.parametrize(
    ("lost_at", "verdict"),
    [
        (None, PERCEIVED),
        (r.ENCODER, IN_ENCODER),
        (ENCODED, IN_ENCODER),
        (PROJECTED, IN_PROJECTOR),
        (r.LANGUAGE, IN_LANGUAGE),
        (LAST, IN_LANGUAGE),
        (r.CHOSEN, NOT_READ),
        (r.WRITTEN, IN_WORDS),
        (r.OTHERS_CHOSEN, IN_WORDS),
    ],
)
def test_what_is_lost_on_a_step_is_named_overall_and_for_the_labels_that_it_takes(
    lost_at: str | None, verdict: str
) -> None:
    draw = np.random.default_rng(1)
    assert set(found(chain(draw, lost_at)).values()) == {verdict}
    one = found(chain(draw, lost_at, blind=(1,)))
    assert one.pop("noise") == verdict
    assert set(one.values()) <= {PERCEIVED, UNKNOWN}  # what is said of noise images falls on the others


def test_a_parrot_perceives_nothing_and_its_prior_is_named() -> None:
    draw = np.random.default_rng(2)
    images = chain(draw, None)
    parrot = np.full(len(TRUE), 3)
    for rung in (r.CHOSEN, r.RENAMED, r.WRITTEN, r.OTHERS_CHOSEN, r.OTHERS_WRITTEN):
        images = add(images, rung, parrot)
    assert set(found(images).values()) == {NOT_READ}
    table = verdicts(measure(add(images, r.CORRECTED, seeing(draw)), 0))
    assert set(table["verdict"]) == {IN_WORDS}
    assert all("prior" in why for why in table["why"])


def test_exchanged_names_are_there_and_not_read_out_and_the_other_labels_are_perceived() -> None:
    draw = np.random.default_rng(3)
    images = chain(draw, None)
    swapped = np.array([1, 0, 2, 3])
    for rung in (r.CHOSEN, r.WRITTEN, r.OTHERS_CHOSEN, r.OTHERS_WRITTEN):
        images = add(images, rung, swapped[seeing(draw)])
    images = add(images, r.RENAMED, r.relabelled(images.named[r.CHOSEN][r.CHOSEN], images))
    table = verdicts(measure(images, 0)).set_index("scope")
    assert dict(table["verdict"].iloc[1:]) == {
        "blur": NOT_READ,
        "noise": NOT_READ,
        "brightness": PERCEIVED,
        "clean": PERCEIVED,
    }
    assert "each other's names" in str(table.loc["blur", "why"])


def test_texts_without_a_label_are_told_from_texts_with_a_wrong_one() -> None:
    draw = np.random.default_rng(4)
    silent = chain(draw, None)
    for rung in (r.WRITTEN, r.OTHERS_WRITTEN):
        silent = add(silent, rung, np.full(len(TRUE), 4))
    assert verdicts(measure(silent, 0))["why"].str.contains("name no label").all()


def test_the_place_of_a_loss_is_not_told_where_two_parts_might_have_it() -> None:
    states = {r.ENCODER: KEPT, ENCODED: KEPT, PROJECTED: UNSURE, r.LANGUAGE: LOST, LAST: LOST, r.CHOSEN: LOST}
    told = decide(rows(states))
    assert told.verdict == UNKNOWN
    assert told.why == "in the projector or in the language model"
    assert decide(rows(states | {r.LANGUAGE: KEPT})).verdict == IN_LANGUAGE  # so the projector had it, too


def rows(states: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {rung: {"state": state, "unnamed": 0.0} for rung, state in states.items()}


def test_not_read_out_is_not_told_where_another_reading_might_have_it() -> None:
    states = {r.ENCODER: KEPT, LAST: KEPT, r.RENAMED: LOST, r.CHOSEN: LOST, r.CORRECTED: UNSURE}
    assert decide(rows(states)).verdict == UNKNOWN
    assert decide(rows(states | {r.CORRECTED: LOST})).verdict == NOT_READ
    assert decide(rows(states | {r.CORRECTED: KEPT})).verdict == IN_WORDS


def test_an_exam_without_the_question_or_without_texts_is_judged_by_what_there_is() -> None:
    whole = chain(np.random.default_rng(7), None)
    for absent in ((r.WRITTEN, r.OTHERS_WRITTEN), (r.RENAMED, r.CHOSEN, r.WRITTEN)):
        named = {rung: ways for rung, ways in whole.named.items() if rung not in absent}
        assert set(found(r.Sheet(LABELS, TRUE, CONTENT, named)).values()) == {PERCEIVED}
    silent = {rung: ways for rung, ways in whole.named.items() if rung in (r.PIXELS, r.ENCODER, LAST)}
    assert set(found(r.Sheet(LABELS, TRUE, CONTENT, silent)).values()) == {UNKNOWN}


def test_the_verdict_of_most_labels_is_the_overall_one_where_the_mean_cannot_tell() -> None:
    scopes = {"overall": UNSURE, "a": LOST, "b": LOST, "c": LOST, "d": KEPT}
    way = (r.ENCODER, ENCODED, PROJECTED, LAST, r.CHOSEN, r.WRITTEN)
    told = {"stage": "", "n": 9, "contents": 3, "unnamed": 0.0, "reference": r.PIXELS, "reference_score": 0.9}
    told |= {"kept": 0.4, "kept_low": 0.3, "kept_high": 0.5}
    table = pd.DataFrame(
        [
            told | {"scope": scope, "rung": rung, "state": state}
            for scope, state in scopes.items()
            for rung in way
        ]
    )
    overall = verdicts(table).iloc[0]
    assert overall["verdict"] == IN_ENCODER
    assert "3 of 4 labels" in str(overall["sentence"])
    half = table[table["scope"] != "c"]
    assert verdicts(half[half["scope"] != "b"]).iloc[0]["verdict"] == UNKNOWN


def test_no_share_is_told_of_next_to_nothing() -> None:
    row = {"stage": "", "reference": r.PIXELS, "reference_score": 0.03, "n": 9, "contents": 3, "unnamed": 0.0}
    row |= {"state": UNSURE, "kept": 0.4, "kept_low": -0.2, "kept_high": 3.0}
    table = pd.DataFrame([row | {"scope": scope, "rung": LAST} for scope in (OVERALL, "blur")])
    said = verdicts(table)["sentence"]
    assert not said.str.contains("%").any()
    assert said.str.contains("too little").all()
    known = verdicts(table.assign(kept_high=0.7))["sentence"]
    assert known.str.contains("keeps 40 % (−20 to 70) of what", regex=False).all()


def test_few_images_say_that_they_cannot_tell() -> None:
    images = chain(np.random.default_rng(5), None).of(CONTENT < 2)
    assert set(found(images).values()) == {UNKNOWN}


def test_the_best_of_many_layers_has_no_luck() -> None:
    """The highest of twelve blind layers lies above chance; chosen on other contents it does not."""
    values = []
    for seed in range(25):
        draw = np.random.default_rng(seed)
        blind = {f"encoder {i}": draw.integers(0, 4, len(TRUE)) for i in range(12)}
        images = r.Sheet(LABELS, TRUE, CONTENT, {r.ENCODER: blind})
        table = measure(images, 0)
        values.append(table.loc[table["scope"] == "noise", "score"].item())
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values)) + 0.01


def test_a_rung_that_keeps_half_is_called_kept_or_lost_in_few_runs() -> None:
    wrong = 0
    for seed in range(60):
        draw = np.random.default_rng(seed)
        named = {ENCODED: {ENCODED: seeing(draw, 0.9)}, PROJECTED: {PROJECTED: seeing(draw, 0.45)}}
        table = measure(r.Sheet(LABELS, TRUE, CONTENT, named), 0)
        wrong += (table["scope"].eq("noise") & table["rung"].eq(PROJECTED) & table["state"].ne(UNSURE)).sum()
    assert wrong <= 8  # 3 of 60 expected; more than 8 happen once in 250 times


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_images_does_not_matter(seed: int) -> None:
    images = chain(np.random.default_rng(6), PROJECTED)
    order = np.random.default_rng(seed).permutation(len(TRUE))
    named = {rung: {way: one[order] for way, one in ways.items()} for rung, ways in images.named.items()}
    moved = measure(r.Sheet(LABELS, TRUE[order], CONTENT[order], named), 0)
    pd.testing.assert_frame_equal(moved, measure(images, 0))


def test_the_sheet_reads_probes_and_answers() -> None:
    ids = [f"{c}/{i}" for c in range(2) for i in range(4)]
    images = pd.DataFrame({"image_id": ids, "content": [i[0] for i in ids], "label": list(LABELS) * 2})
    probes = pd.concat(
        [
            images.assign(kind="pixels", stage="pixels", order=-1, predicted="blur"),
            images.assign(kind="probe", stage="encoder 1", order=0, predicted="noise"),
            images.assign(kind="shuffled", stage="encoder 1", order=0, predicted="clean"),
            images.assign(kind="probe", stage="language 3", order=4, predicted=images["label"]),
        ]
    )
    logp, prior = np.log([0.7, 0.1, 0.1, 0.1]), np.log([0.9, 0.02, 0.06, 0.02])
    one = images.assign(order=0, repeat=0, template="main", template_split="train", readout="choose")
    one = one.assign(predicted="blur", logp=pd.Series([logp] * 8), logp_prior=pd.Series([prior] * 8))
    texts = images.assign(order=0, repeat=0, template="other", template_split="held-out", readout="generate")
    answers = pd.concat([one, texts.assign(predicted=None)])
    sheet = r.sheet(probes.sample(frac=1, random_state=0), answers, "main", LABELS)
    named = {rung: next(iter(ways.values())).tolist() for rung, ways in sheet.named.items()}
    assert list(named) == [
        r.PIXELS,
        r.ENCODER,
        r.LANGUAGE,
        r.RENAMED,
        r.CHOSEN,
        r.CORRECTED,
        r.OTHERS_WRITTEN,
    ]
    assert (set(named[r.PIXELS]), set(named[r.ENCODER])) == ({0}, {1})
    assert set(named[r.CORRECTED]) <= {1, 3}
    assert named[r.LANGUAGE] == sheet.true.tolist()
    assert set(named[r.OTHERS_WRITTEN]) == {4}  # no label
    assert OVERALL in found(sheet)
