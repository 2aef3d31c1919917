"""The faults do what they say, on a tiny model, and leave nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import LABELS, internvl

from eyechart.exam.engine import read
from eyechart.exam.forest import Ask
from eyechart.exam.readings import Decoding
from eyechart.inside import plants_language, plants_projector, plants_vision
from eyechart.inside.plants import Known, Plant, all_plants
from eyechart.inside.self_check import arm_name, compared, told
from eyechart.inside.verdict import IN_PROJECTOR, PERCEIVED, UNKNOWN
from eyechart.seeds import rng
from eyechart.subjects.model import ModelSubject
from eyechart.subjects.stages import ENCODED, LAST, PROJECTED, stages
from eyechart.taxonomy import load_label_map

PAPER = load_label_map("paper8").labels
QUESTION, OTHER = "What is the main distortion?", "Which word fits this photo best?"
SIZE = (112, 112)


@pytest.fixture(scope="module")
def subject() -> ModelSubject:
    return internvl()


def images(count: int = 6) -> list[np.ndarray]:
    draw = rng(0, "pictures of plants")
    return [draw.integers(0, 256, (*SIZE, 3), dtype=np.uint8) // (1 + i % 3) for i in range(count)]


def facts(subject: ModelSubject, labels: tuple[str, ...] = LABELS) -> Known:
    first = tuple(subject.answer_ids(QUESTION, label, SIZE)[0] for label in labels)
    usual = set(subject.prompt(QUESTION, SIZE).ids)
    words = tuple(sorted(set(subject.prompt(OTHER, SIZE).ids) - usual - set(first)))
    off = next(i for i in range(40, 99) if i not in first)
    tokens = torch.stack(subject.visual_tokens(images(24)))
    targets = torch.arange(24) % len(labels)
    return Known(labels, first, off, (OTHER,), words, images(24), tokens, targets)


def plant(name: str) -> Plant:
    return next(one for one in all_plants(PAPER) if one.name == name)


def asked(subject: ModelSubject, question: str = QUESTION) -> tuple[list[str], np.ndarray, np.ndarray]:
    spelled = tuple(subject.answer_ids(question, label, SIZE) for label in LABELS)
    found = read(subject, images(), [Ask(subject.prompt(question, SIZE), spelled)], Decoding(2))[0]
    return found.texts, found.logp, found.first


def state(subject: ModelSubject, name: str) -> torch.Tensor:
    with torch.no_grad():
        found = stages(subject.model, subject.inputs(images(), subject.conversation(QUESTION)), [name])
    return torch.stack(found[name])


def test_there_are_at_least_twenty_faults_with_names_of_their_own_and_a_reason_each() -> None:
    plants = all_plants(PAPER)
    assert len(plants) > 20
    assert len({arm_name(one) for one in plants}) == len(plants)
    assert all(one.because and one.overall for one in plants)
    assert {label for one in plants for label in one.labels} == set(PAPER)


@pytest.mark.parametrize("one", [p for p in all_plants(PAPER) if p.name != "projector of shuffled labels"])
def test_a_fault_is_taken_out_without_a_trace(one: Plant, subject: ModelSubject) -> None:
    known = facts(subject, PAPER)
    before = state(subject, LAST)
    with one.planted(subject, known):
        state(subject, LAST)
    assert torch.equal(state(subject, LAST), before)


def test_renamed_rows_exchange_the_first_tokens_of_the_labels(subject: ModelSubject) -> None:
    order = [1, 0, 2, 3]
    first = asked(subject)[2]
    hooks = plants_language._rename(order, subject, facts(subject))
    assert np.allclose(asked(subject)[2], first[:, order], atol=1e-4)
    for hook in hooks:
        hook.remove()


def test_a_parrot_says_its_label_and_tells_the_others_apart_as_before(subject: ModelSubject) -> None:
    first = asked(subject)[2]
    hooks = plants_language._say("clean", subject, facts(subject))
    _, logp, said = asked(subject)
    for hook in hooks:
        hook.remove()
    assert set(logp.argmax(1)) == {3}
    lost = (said - first)[:, :3]
    assert np.allclose(lost, lost[:, :1], atol=1e-4)


def test_an_answer_off_the_list_is_written_and_the_choice_stays(subject: ModelSubject) -> None:
    known = facts(subject)
    first = asked(subject)[2]
    hooks = plants_language._off(subject, known)
    muttered, _, off = asked(subject)
    for hook in hooks:
        hook.remove()
    assert set(muttered) == {subject.processor.tokenizer.decode([known.off] * 2)}
    assert np.allclose(off - first, (off - first)[:, :1], atol=1e-4)  # each label loses the same


def test_other_templates_are_read_otherwise_and_the_trained_one_is_not(subject: ModelSubject) -> None:
    ours, others = asked(subject)[1], asked(subject, OTHER)[1]
    hooks = plants_language._one_template(subject, facts(subject))
    assert np.array_equal(asked(subject)[1], ours)
    assert not np.allclose(asked(subject, OTHER)[1], others)
    for hook in hooks:
        hook.remove()


def test_an_ignored_image_keeps_its_states_and_moves_the_answer(subject: ModelSubject) -> None:
    before, last = state(subject, PROJECTED), state(subject, LAST)
    hooks = plants_language._ignore(2, subject, facts(subject))
    assert torch.equal(state(subject, PROJECTED), before)
    assert not torch.allclose(state(subject, LAST), last)
    for hook in hooks:
        hook.remove()


def test_an_image_that_is_ignored_everywhere_leaves_no_trace_at_the_end(subject: ModelSubject) -> None:
    with plant("language model that ignores the image").planted(subject, facts(subject)):
        last = state(subject, LAST)
    assert torch.allclose(last, last[:1].expand_as(last), atol=1e-5)


def test_noise_in_a_late_layer_hides_the_image(subject: ModelSubject) -> None:
    first = state(subject, "encoder 1")
    with plant("encoder layer 11/12 replaced by noise").planted(subject, facts(subject)):
        hidden = state(subject, "encoder 1")
    assert torch.equal(hidden, hidden[:1].expand_as(hidden))
    assert not torch.allclose(first[0], first[1])


def test_two_directions_are_two_and_one_image_is_one(subject: ModelSubject) -> None:
    for put, rank in ((plants_projector._narrow, 2), (plants_projector._constant, 0)):
        hooks = put(subject, facts(subject))
        tokens = state(subject, PROJECTED)
        spread = tokens.flatten(0, 1) - (tokens.mean((0, 1)) if rank else tokens[0].repeat(len(tokens), 1))
        assert torch.linalg.matrix_rank(spread, atol=1e-3) == rank
        for hook in hooks:
            hook.remove()


def test_desaturated_and_clean_pictures_enter_alike_where_colour_follows_luma() -> None:
    picture = torch.rand(1, 3, 32, 32)
    grey = plants_vision._luma(picture).expand_as(picture)
    assert torch.allclose(plants_vision._tinted(picture), plants_vision._tinted(grey), atol=1e-5)


def test_pictures_of_less_contrast_enter_like_clean_ones_at_equal_contrast() -> None:
    picture = torch.rand(1, 3, 32, 32)
    weak = 0.4 + 0.2 * (picture - 0.4)
    assert torch.allclose(plants_vision._stretched(picture), plants_vision._stretched(weak), atol=1e-3)


def test_the_eye_is_changed_before_the_encoder(subject: ModelSubject) -> None:
    before = state(subject, ENCODED)
    with plant("low-pass input").planted(subject, facts(subject)):
        assert not torch.allclose(state(subject, ENCODED), before)


def test_a_wrong_verdict_is_called_wrong() -> None:
    import pandas as pd

    fault = plant("projector without noise")
    judged = pd.DataFrame(
        {"scope": ["overall", "noise", "blur"], "verdict": [PERCEIVED, IN_PROJECTOR, PERCEIVED]}
    )
    judged["sentence"] = ""
    assert compared(fault, judged)["right"]
    assert not compared(fault, judged.assign(verdict=[PERCEIVED, PERCEIVED, PERCEIVED]))["right"]
    assert not compared(fault, judged.assign(verdict=[PERCEIVED, IN_PROJECTOR, IN_PROJECTOR]))["right"]
    well = dict.fromkeys(("overall", "noise", "blur"), PERCEIVED)
    assert compared(fault, judged, well)["right"]
    # Of a label that the healthy subject may not perceive, "cannot tell" is right, and proves nothing.
    missed = judged.assign(verdict=[PERCEIVED, UNKNOWN, PERCEIVED])
    found = compared(fault, missed, well | {"noise": UNKNOWN})
    assert not found["right"]
    assert not found["shows"]
    assert all(scope["right"] for scope in found["scopes"].values())
    assert "proves nothing" in told(found)
