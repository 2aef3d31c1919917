"""Every kind of subject has one interface: what it declares it does, and what it lacks it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
from hostile import completion, send, serving  # noqa: E402
from test_zero_shot import saved  # noqa: E402

from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.address import read_address  # noqa: E402
from eyechart.subjects.capabilities import Capability, capabilities  # noqa: E402
from eyechart.subjects.components import components  # noqa: E402
from eyechart.subjects.endpoint import Endpoint, EndpointConfig  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.subject import METHODS, Subject  # noqa: E402
from eyechart.subjects.zero_shot import ZeroShot, load_zero_shot  # noqa: E402
from eyechart.templates.sentences import sentences  # noqa: E402

QUESTION = "What is the main distortion of this image?"
ARGUMENTS: dict[Capability, tuple[Any, ...]] = {
    Capability.PIXELS: (tiny.images(1),),
    Capability.GENERATE: (tiny.images(1), QUESTION),
    Capability.CHOOSE: (tiny.images(1), QUESTION, tiny.LABELS),
    Capability.PROMPT: (QUESTION, (112, 112)),
    Capability.COMPONENTS: (),
    Capability.VISUAL_TOKENS: (tiny.images(1),),
    Capability.STAGES: (tiny.images(1), "encoder 1"),
    Capability.WORDS: ("blur",),
}


def endpoint(url: str = "http://localhost:1/v1") -> Endpoint:
    return Endpoint(read_address(f"{url}#m"), None, EndpointConfig(retries=0, timeout=5))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ZeroShot:
    return load_zero_shot(f"clip:{saved('clip', tmp_path_factory.mktemp('clip'))}")


@pytest.mark.parametrize("kind", [ModelSubject, Endpoint, ZeroShot])
def test_a_class_has_the_methods_that_it_declares_and_no_others(kind: type[Subject]) -> None:
    assert set(METHODS) == set(Capability)
    own = {one for one, method in METHODS.items() if getattr(kind, method) is not getattr(Subject, method)}
    assert own == kind.capabilities


def test_what_is_lacking_is_refused_in_words(clip: ZeroShot) -> None:
    for subject in (endpoint(), clip):
        assert subject.capabilities == capabilities(subject.name)
        for one in set(Capability) - subject.capabilities:
            with pytest.raises(EyechartError, match=f": it has no {one.value}") as refused:
                getattr(subject, METHODS[one])(*ARGUMENTS[one])
            assert "name the open model instead" in refused.value.remedy


def test_an_open_model_does_all_of_it(subject: ModelSubject) -> None:
    for one, method in METHODS.items():
        assert getattr(subject, method)(*ARGUMENTS[one]) is not None
    assert subject.components().keys() == components(subject.model).keys()


def test_texts_are_those_of_the_ordinary_call(subject: ModelSubject) -> None:
    shown = [*tiny.images(2), *tiny.images(1, seed=1, side=84)]
    for image, text in zip(shown, subject.generate(shown, QUESTION, new_tokens=6), strict=True):
        inputs = subject.inputs([image], subject.conversation(QUESTION))
        written = subject.model.generate(**inputs, max_new_tokens=6, do_sample=False)
        after = written[0, inputs["input_ids"].shape[1] :]
        assert subject.processor.tokenizer.decode(after, skip_special_tokens=True) == text


def test_likelihoods_are_those_of_the_whole_conversation(subject: ModelSubject) -> None:
    shown = [*tiny.images(2), *tiny.images(1, seed=1, side=84)]
    found = subject.choose(shown, QUESTION, tiny.LABELS)
    assert found.shape == (3, len(tiny.LABELS))
    for image, row in zip(shown, found, strict=True):
        for label, logp in zip(tiny.LABELS, row, strict=True):
            answer = subject.answer_ids(QUESTION, label, image.shape[:2])
            inputs = subject.inputs([image], subject.conversation(QUESTION, label))
            ids, start = inputs["input_ids"], len(subject.prompt(QUESTION, image.shape[:2]).ids)
            assert tuple(ids[0, start : start + len(answer)].tolist()) == answer
            with torch.no_grad():
                whole = torch.log_softmax(subject.model(**inputs).logits[0].double(), -1)
            wanted = sum(float(whole[start - 1 + i, token]) for i, token in enumerate(answer))
            assert logp == pytest.approx(wanted, abs=1e-3)


def test_labels_are_compared_by_their_sentences(clip: ZeroShot) -> None:
    shown, labels = tiny.images(3, side=48), ["blur", "white_noise", "clean"]
    found = clip.choose(shown, QUESTION, labels)
    np.testing.assert_array_equal(found, clip.log_likelihoods(shown, sentences(labels)))


def test_an_endpoint_writes_again_and_again() -> None:
    told = iter(range(100))
    with serving(lambda h, b, n: send(h, 200, completion(f"noise {next(told)}"))) as server:
        subject = endpoint(server.url)
        assert sorted(subject.generate(tiny.images(3), QUESTION)) == ["noise 0", "noise 1", "noise 2"]
        assert subject.generate(tiny.images(1), QUESTION) == ["noise 3"]
        assert {text for _, text in server.asked()} == {QUESTION}
    with serving(lambda h, b, n: send(h, 500, "down")) as server, pytest.raises(EyechartError) as refused:
        endpoint(server.url).generate(tiny.images(2), QUESTION)
    assert "gave no answer: status 500" in refused.value.what
