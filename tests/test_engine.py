"""Asking many questions at once gives what asking each by itself gives, for every family."""

from __future__ import annotations

from dataclasses import replace
from inspect import signature
from math import inf
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
import tiny  # noqa: E402
from tiny_families import build, inputs  # noqa: E402
from tokenizers.processors import TemplateProcessing  # noqa: E402

from eyechart.errors import EyechartError  # noqa: E402
from eyechart.exam.engine import Scheme, _length, _parts, _window, read  # noqa: E402
from eyechart.exam.forest import Ask  # noqa: E402
from eyechart.exam.plain import read_plain  # noqa: E402
from eyechart.exam.readings import Decoding  # noqa: E402
from eyechart.exam.schemes import check_schemes  # noqa: E402
from eyechart.exam.shared import read_shared  # noqa: E402
from eyechart.exam.stepwise import read_stepwise  # noqa: E402
from eyechart.subjects import components  # noqa: E402
from eyechart.subjects.model import ModelSubject, Prompt  # noqa: E402
from eyechart.subjects.reading import Reader  # noqa: E402

PROVED = tuple(name for name, family in components.families().items() if family.proved)
TWO_WAYS = {"paligemma"}  # the words of a question change the image's states
CARRIED = {"qwen3_5", "lfm3_vl"}  # layers with a state that is carried from token to token
CLOSED = {"blip-2", "instructblip"}  # forward passes that hand out no keys and values
END, ROWS = 2, 2
TAILS = ((21, 22, 23), (21, 24, 25, 26), (31, 32))
ANSWERS = ((41,), (41, 42, END), (43, 44, 45))
WRITING = Decoding(new_tokens=3, repeats=2)
SEEDS = [[[1, 2], [3, 4]]]
PER_TOKEN = ("attention_mask", "token_type_ids", "mm_token_type_ids", "cross_attention_mask")


class Family:
    """A tiny model, two images, and three questions that begin alike."""

    def __init__(self, name: str) -> None:
        own = name == "mplug_owl2"
        self.model = owl.tiny_model() if own else build(name)
        self.batch: dict[str, Any] = (owl.tiny_inputs if own else inputs)(self.model, 0)
        self.begin = tuple(self.batch["input_ids"][0].tolist()[:-3])
        self.asks = [Ask(Prompt("", self.begin + tail, ()), ANSWERS) for tail in TAILS]

    def inputs(self, ask: Ask) -> dict[str, Any]:
        more = len(ask.prompt.ids) - len(self.begin)
        found = dict(self.batch, input_ids=torch.tensor([ask.prompt.ids] * ROWS))
        for name in PER_TOKEN:
            if name in self.batch:
                kept = self.batch[name][:, : len(self.begin)]
                last = kept[:, -1:] if name.endswith("mask") else torch.zeros_like(kept[:, -1:])
                found[name] = torch.cat([kept] + [last] * more, 1)
        return found


def apart(found: list[Any], wanted: list[Any]) -> float:
    """Return the largest difference of log-likelihoods, infinite where a text differs."""
    if [texts for _, texts in found] != [texts for _, texts in wanted]:
        return np.inf
    return float(max(np.abs(f.logp - w.logp).max() for (f, _), (w, _) in zip(found, wanted, strict=True)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PROVED)
def test_every_way_of_asking_gives_what_generate_gives(name: str) -> None:
    family = Family(name)
    model, asks = family.model, family.asks
    with torch.no_grad():
        plain = [read_plain(model, family.inputs(a), a, {END}, WRITING, SEEDS) for a in asks]
        if name in CLOSED:
            with pytest.raises(EyechartError, match="no keys and values"):
                Reader(model, family.inputs(asks[0]), len(family.begin))
            return
        step = [read_stepwise(model, family.inputs(a), a, {END}, WRITING, SEEDS) for a in asks]
        assert apart(step, plain) < 1e-4
        prompt = [
            read_shared(Reader(model, family.inputs(a), len(a.prompt.ids)), [a], {END}, WRITING, SEEDS)[0]
            for a in asks
        ]
        assert (apart(prompt, plain) < 1e-4) == (name not in CARRIED)
        reader = Reader(model, family.inputs(asks[0]), len(family.begin))
        shared = read_shared(reader, asks, {END}, WRITING, SEEDS * 3)
        assert (apart(shared, plain) < 1e-4) == (name not in CARRIED | TWO_WAYS)
    assert all(
        np.allclose(f.entropy, w.entropy, atol=1e-4) for (f, _), (w, _) in zip(step, plain, strict=True)
    )


def test_forgetting_leaves_the_beginning_as_it_was() -> None:
    family = Family("qwen2_5_vl")
    with torch.no_grad():
        reader = Reader(family.model, family.inputs(family.asks[0]), len(family.begin))
        once = read_shared(reader, family.asks, {END}, WRITING, SEEDS * 3)
        reader.forget()
        again = read_shared(reader, family.asks, {END}, WRITING, SEEDS * 3)
        reader.forget()
        assert apart(again, once) == 0
        parts = []
        for ask in family.asks:
            parts += read_shared(reader, [ask], {END}, WRITING, SEEDS)
            reader.forget()
    assert apart(parts, once) < 1e-4


def test_a_window_that_slides_is_not_asked_beyond_itself() -> None:
    family = Family("gemma3")
    text, longest = family.model.config.text_config, max(_length(a, WRITING) for a in family.asks)
    assert "sliding_attention" in text.layer_types
    assert list(_parts(family.asks, len(family.begin), 10**6, _window(family.model), WRITING)) == [
        slice(0, 3)
    ]
    text.sliding_window = longest
    parts = list(_parts(family.asks, 0, 10**6, _window(family.model), WRITING))
    assert parts == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert _window(Family("llava").model) == inf
    text.sliding_window = len(family.begin) + 4
    with torch.no_grad():  # what is longer than its window is read token by token
        plain = [read_plain(family.model, family.inputs(a), a, {END}, WRITING, SEEDS) for a in family.asks]
        step = [read_stepwise(family.model, family.inputs(a), a, {END}, WRITING, SEEDS) for a in family.asks]
    assert apart(step, plain) < 1e-4


QUESTIONS = ("What is wrong? One word.", "Which word fits: blur, noise?", "What is the flaw?")


def asked(subject: ModelSubject, side: int = 112) -> list[Ask]:
    size = (side, side)
    return [
        Ask(subject.prompt(q, size), tuple(subject.answer_ids(q, label, size) for label in tiny.LABELS))
        for q in QUESTIONS
    ]


@pytest.mark.parametrize("make", [tiny.internvl, tiny.llava])
@pytest.mark.parametrize("scheme", ["shared", "prompt", "stepwise"])
def test_a_batch_gives_what_each_image_alone_gives(make: Any, scheme: Scheme) -> None:
    subject, shown = make(), tiny.images(4)
    asks, writing = asked(subject), Decoding(new_tokens=5, repeats=3)
    seeds = [[[100 * a + 10 * i + r for r in range(3)] for i in range(4)] for a in range(3)]
    batch = read(subject, shown, asks, writing, seeds, scheme)
    for i, image in enumerate(shown):
        alone = read(subject, [image], asks, writing, [[rows[i]] for rows in seeds], "plain")
        for a in range(len(asks)):
            assert np.abs(batch[a].logp[i] - alone[a].logp[0]).max() < 1e-4
            assert np.abs(batch[a].first[i] - alone[a].first[0]).max() < 1e-4
            assert batch[a].texts[i] == alone[a].texts[0]
            assert batch[a].samples[i] == alone[a].samples[0]
    assert len({text for readings in batch for texts in readings.samples for text in texts}) > 10


@pytest.mark.parametrize("make", [tiny.internvl, tiny.llava])
def test_likelihoods_are_those_of_one_forward_pass_over_the_whole_text(make: Any) -> None:
    """Independent of every engine: prompt and answer as one sequence, read in the plainest way."""
    subject, shown = make(), tiny.images(2)
    asks = asked(subject)
    found = read(subject, shown, asks)
    for readings, ask in zip(found, asks, strict=True):
        seen = subject.inputs(shown, ask.prompt.text)
        for k, answer in enumerate(ask.candidates):
            ids = torch.cat([seen["input_ids"], torch.tensor([answer] * 2)], 1)
            with torch.no_grad():
                logits = subject.model(input_ids=ids, pixel_values=seen["pixel_values"]).logits
            logp = logits[:, len(ask.prompt.ids) - 1 : -1].log_softmax(-1)
            direct = logp.gather(2, torch.tensor([answer] * 2)[..., None])[..., 0]
            assert np.allclose(readings.logp[:, k], direct.sum(1), atol=1e-4)
            assert np.allclose(readings.first[:, k], direct[:, 0], atol=1e-4)
            assert readings.lengths[k] == len(answer)


def test_questions_before_the_image_are_asked_one_by_one() -> None:
    subject, shown = tiny.internvl(), tiny.images(2)
    template = subject.processor.chat_template
    late = template.replace("USER: ", "USER: {{ messages[0]['content'][1]['text'] }} ")
    assert late != template
    subject.processor.chat_template = late
    try:
        asks = asked(subject)
        assert (
            asks[0].prompt.ids[: asks[0].prompt.image_positions[0]]
            != (asks[1].prompt.ids[: asks[1].prompt.image_positions[0]])
        )
        batch, alone = read(subject, shown, asks), read(subject, shown, asks, scheme="plain")
        assert max(np.abs(b.logp - a.logp).max() for b, a in zip(batch, alone, strict=True)) < 1e-4
    finally:
        subject.processor.chat_template = template


@pytest.mark.parametrize("scheme", ["shared", "prompt", "stepwise", "plain"])
def test_texts_without_answers_and_answers_without_texts(scheme: Scheme) -> None:
    subject, shown = tiny.internvl(), tiny.images(2)
    one, two, three = asked(subject)
    writing, seeds = Decoding(new_tokens=4, repeats=1), [[[1], [2]], [[3], [4]], [[5], [6]]]
    whole = read(subject, shown, [one, two, three], writing, seeds, scheme)
    some = [replace(one, candidates=()), replace(two, write=False), three]
    found = read(subject, shown, some, writing, seeds, scheme)
    assert found[0].logp.shape == (2, 0)
    assert (found[0].texts, found[0].samples) == (whole[0].texts, whole[0].samples)
    assert np.allclose(found[0].entropy, whole[0].entropy, atol=1e-4)
    assert found[1].texts == ["", ""]
    assert np.allclose(found[1].logp, whole[1].logp, atol=1e-4)
    assert (found[2].texts, found[2].samples) == (whole[2].texts, whole[2].samples)
    assert check_schemes(subject, shown[0], some).scheme == "shared"


def test_the_fastest_right_way_is_found_and_a_wrong_one_is_not() -> None:
    subject, image = tiny.internvl(), tiny.images(1)[0]
    checked = check_schemes(subject, image, asked(subject))
    assert checked.scheme == "shared"
    assert checked.difference < 1e-4
    assert checked.refused == {}
    # A model that forgets which tokens a token may see, once there is something to remember.
    forward = subject.model.forward

    def careless(*args: Any, attention_mask: Any = None, **more: Any) -> Any:
        mask = None if attention_mask is not None and attention_mask.ndim == 4 else attention_mask
        return forward(*args, attention_mask=mask, **more)

    careless.__signature__ = signature(forward)  # type: ignore[attr-defined]
    subject.model.forward = careless
    checked = check_schemes(subject, image, asked(subject))
    assert checked.scheme == "stepwise"
    assert set(checked.refused) == {"shared", "prompt"}
    assert "differ" in checked.refused["shared"]


def test_a_prompt_that_begins_itself_gets_no_second_beginning() -> None:
    subject = tiny.internvl()
    tokenizer, text = subject.processor.tokenizer, subject.conversation(QUESTIONS[0])
    backend, before = tokenizer.backend_tokenizer, tokenizer.backend_tokenizer.post_processor
    end = tokenizer.convert_tokens_to_ids(tiny.END)
    try:
        backend.post_processor = TemplateProcessing(
            single=f"{tiny.END} $A", pair=f"{tiny.END} $A $B", special_tokens=[(tiny.END, end)]
        )
        tokenizer.bos_token = tiny.END
        for given in (text, tiny.END + text):
            ids = subject.inputs(tiny.images(1), given)["input_ids"][0].tolist()
            assert ids.count(end) == 1
            assert ids[0] == end
    finally:
        tokenizer.bos_token = None
        backend.post_processor = before
