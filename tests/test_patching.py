"""Patching: exact at its ends in every family, right between them, refused where nothing can be patched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from family_subject import FamilySubject  # noqa: E402

from eyechart.errors import EyechartError  # noqa: E402
from eyechart.exam.engine import read  # noqa: E402
from eyechart.exam.forest import Ask  # noqa: E402
from eyechart.inside.patching import ANSWER, IMAGE, Patch, Patcher, _mixed  # noqa: E402
from eyechart.subjects.components import families  # noqa: E402
from eyechart.subjects.stages import language_layers  # noqa: E402

PROVED = tuple(name for name, family in families().items() if family.proved)
ONE: Any = [0, 0]  # two images
OTHER: Any = [1, 1]

pytestmark = pytest.mark.filterwarnings("ignore")


def patcher_of(subject: FamilySubject, ask: Ask | None = None) -> tuple[Patcher, int]:
    layers = len(language_layers(subject.model))
    return Patcher(subject, ask or subject.ask, range(layers + 1), subject.scheme), layers


@pytest.mark.parametrize("family", PROVED)
def test_the_ends_are_exact(family: str) -> None:
    subject = FamilySubject(family)
    patcher, layers = patcher_of(subject)
    one, other = patcher.run(ONE), patcher.run(OTHER)
    assert np.abs(one.logp - other.logp).max() > 1e-5
    # What enters the language model is all of the image.
    assert np.array_equal(patcher.patched(ONE, one, other, Patch(0, IMAGE)), other.logp)
    assert np.array_equal(patcher.patched(OTHER, other, one, Patch(0, IMAGE)), one.logp)
    # What the last layer hands out is read at the answer's positions alone.
    assert np.array_equal(patcher.patched(ONE, one, other, Patch(layers, ANSWER)), other.logp)
    if family != "mllama":
        assert np.array_equal(patcher.patched(ONE, one, other, Patch(layers, IMAGE)), one.logp)
    # A state put in its own place changes nothing.
    for place in patcher.places:
        assert np.array_equal(patcher.patched(ONE, one, one, place), one.logp), place
    # And nothing stays behind.
    assert np.array_equal(read(subject, ONE, [subject.ask], scheme=subject.scheme)[0].logp, one.logp)
    assert not any("forward" in vars(module) for module in subject.model.modules())


@pytest.mark.parametrize("family", ["llava", "gemma3", "paligemma", "mplug_owl2", "qwen2_5_vl", "qwen3_vl"])
def test_all_of_a_layer_is_all_that_follows_it(family: str) -> None:
    subject = FamilySubject(family)
    everywhere = replace(subject.ask.prompt, image_positions=tuple(range(len(subject.ask.prompt.ids))))
    patcher, layers = patcher_of(subject, Ask(everywhere, ((41,), (43,)), write=False))
    one, other = patcher.run(ONE), patcher.run(OTHER)
    for layer in range(layers + 1):
        assert np.array_equal(patcher.patched(ONE, one, other, Patch(layer, IMAGE)), other.logp), layer


@pytest.mark.parametrize(("looks", "blind"), [(1, 2), (2, 1)])
def test_where_the_answer_looks_is_found(looks: int, blind: int) -> None:
    subject = FamilySubject("llava")
    attention = language_layers(subject.model)[blind - 1][0].self_attn
    attention.o_proj.weight.data.zero_()  # nothing passes from one position to another here
    patcher, _ = patcher_of(subject)
    one, other = patcher.run(ONE), patcher.run(OTHER)
    image = patcher.patched(ONE, one, other, Patch(1, IMAGE))
    answer = patcher.patched(ONE, one, other, Patch(1, ANSWER))
    at_image, at_answer = (one.logp, other.logp) if looks == 1 else (other.logp, one.logp)
    assert np.array_equal(image, at_image)
    assert np.array_equal(answer, at_answer)


def test_some_of_a_layer_is_some_of_the_difference() -> None:
    subject = FamilySubject("llava")
    patcher, _ = patcher_of(subject)
    one, other = patcher.run(ONE), patcher.run(OTHER)
    for where in (IMAGE, ANSWER):
        found = patcher.patched(ONE, one, other, Patch(1, where))
        assert np.abs(found - one.logp).max() > 1e-6
        assert np.abs(found - other.logp).max() > 1e-6


def test_a_model_that_looks_by_cross_attention_has_no_image_positions() -> None:
    subject = FamilySubject("mllama")
    patcher, layers = patcher_of(subject)
    assert [place for place in patcher.places if place.where == IMAGE] == [Patch(0, IMAGE)]
    one = patcher.run(ONE)
    with pytest.raises(EyechartError, match="cannot be patched at image positions of stage 1") as raised:
        patcher.patched(ONE, one, one, Patch(1, IMAGE))
    assert f"{layers} (answer)" in raised.value.remedy


def test_features_that_enter_later_layers_are_the_other_images() -> None:
    into, source = {"deepstack_visual_embeds": [1, 2, 3]}, {"deepstack_visual_embeds": [4, 5, 6]}
    found = [_mixed(into, source, stage)["deepstack_visual_embeds"] for stage in range(5)]
    assert found == [[4, 5, 6], [4, 5, 6], [1, 5, 6], [1, 2, 6], [1, 2, 3]]


def test_encoder_and_projector_compute_once() -> None:
    subject, ran = FamilySubject("llava"), []
    subject.model.model.vision_tower.encoder.layers[0].register_forward_hook(lambda *_: ran.append(1))
    patcher, _ = patcher_of(subject)
    one, other = patcher.run(ONE), patcher.run(OTHER)
    for place in patcher.places:
        patcher.patched(ONE, one, other, place)
    assert len(ran) == 2
