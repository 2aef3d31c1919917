"""A model's own way from states to logits, for every proved family and against what others compute."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
from tiny_families import build, inputs  # noqa: E402

from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.components import families  # noqa: E402
from eyechart.subjects.own_head import OwnHead  # noqa: E402
from eyechart.subjects.stages import LAST, language_layers, stages, text_states  # noqa: E402

PROVED = tuple(name for name, family in families().items() if family.proved)

pytestmark = pytest.mark.filterwarnings("ignore")


def made(model_type: str) -> tuple[Any, dict[str, Any]]:
    """Return a tiny model and a batch of two."""
    if model_type == "mplug_owl2":
        model = owl.tiny_model()
        return model, owl.tiny_inputs(model, 0)
    model = build(model_type)
    return model, inputs(model, 0)


def one(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the first row of a batch of two."""
    half = len(batch["pixel_values"]) // 2
    return {name: v[:half] if name == "pixel_values" else v[:1] for name, v in batch.items()}


@pytest.mark.parametrize("model_type", PROVED)
def test_the_last_states_give_the_models_own_logits(model_type: str) -> None:
    model, batch = made(model_type)
    caught: list[Any] = []
    layer = language_layers(model)[-1][0]
    hook = layer.register_forward_hook(lambda _, args, out: caught.append(out))
    with torch.no_grad():
        own = model(**batch).logits[:, -1]
        last = torch.cat(stages(model, batch, [LAST])[LAST])
        head = OwnHead(model, one(batch))
        hook.remove()
        raw = (caught[0][0] if isinstance(caught[0], tuple) else caught[0])[:, -1]
        ids = torch.tensor([3, 4, 500 % own.shape[1]])
        behind = head.log_p(last, ids, normalised=True)
        before = head.log_p(raw, ids, normalised=False)
        assert torch.allclose(head.logits(last), own, atol=1e-4)
        assert torch.allclose(behind, own.log_softmax(-1)[:, ids], atol=1e-4)
        assert torch.allclose(before, behind, atol=1e-4)
        assert torch.equal(model(**batch).logits[:, -1], own)  # nothing is left behind in the model
    assert not torch.allclose(own[0], own[1], atol=1e-3)  # else the test could not tell the rows apart


@pytest.mark.parametrize("model_type", ["gemma3", "qwen2_5_vl", "llava"])
def test_an_earlier_layer_by_hand(model_type: str) -> None:
    model, batch = made(model_type)
    states = 3 * torch.randn(40, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = OwnHead(model, one(batch)).log_p(states, torch.arange(20), normalised=False)
        logits = model.get_output_embeddings()(model.get_decoder().norm(states))
    assert torch.allclose(found, logits.log_softmax(-1)[:, :20], atol=1e-4)


def test_capped_logits_are_capped() -> None:
    model, batch = made("paligemma")
    states = 30 * torch.randn(8, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        free = OwnHead(model, one(batch)).logits(states)
        model.config.text_config.final_logit_softcapping = 0.5
        capped = OwnHead(model, one(batch)).logits(states)
    assert float(free.abs().max()) > 1
    assert torch.allclose(capped, 0.5 * torch.tanh(free / 0.5), atol=1e-5)


@owl.needs_oracle
def test_the_logits_that_the_original_recorded() -> None:
    expected, model = owl.tensors("expected"), owl.original()
    ids = torch.tensor([owl.expanded(expected["case.single.input_ids"][0].tolist())])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        head = OwnHead(model, {**given, "pixel_values": expected["pixel_values"][:1]})
        found = head.logits(expected["case.single.expected.last_hidden_state"][0])
    assert owl.apart(found, expected["case.single.expected.logits"][0]) < owl.CLOSE


def test_a_model_whose_logits_do_not_follow_is_refused() -> None:
    model, batch = made("llava")
    norm, calls = model.get_decoder().norm, [0]

    def drifting(states: Any) -> Any:
        calls[0] += 1
        return type(norm).forward(norm, states) + 3 * calls[0] * torch.randn(states.shape[-1])

    norm.forward = drifting
    with torch.no_grad(), pytest.raises(EyechartError, match="do not follow from its last layer's states"):
        OwnHead(model, one(batch))


# PaliGemma's language model reads a text without an image both ways, as it does every prompt.
@pytest.mark.parametrize("model_type", sorted({*PROVED} - {"paligemma"}))
def test_texts_alone_depend_on_what_stands_before_and_nothing_else(model_type: str) -> None:
    model, _ = made(model_type)
    names = [f"language {i}" for i, _ in enumerate(language_layers(model), 1)]
    with torch.no_grad():
        found = text_states(model, torch.tensor([[1, 9, 10, 11], [1, 9, 12, 11]]), names)
        alone = text_states(model, torch.tensor([[1, 9, 10]]), names)
    assert list(found) == names
    for states in found.values():
        assert states.shape[:2] == (2, 4)
        assert torch.allclose(states[0, :2], states[1, :2], atol=1e-5)
        assert not torch.allclose(states[0, 3], states[1, 3], atol=1e-5)
    assert torch.allclose(found[names[-1]][0, :3], alone[names[-1]][0], atol=1e-4)


@pytest.mark.parametrize("model_type", ["llava", "gemma3", "qwen2_5_vl", "ovis2"])
def test_texts_alone_are_what_the_model_computes_of_them(model_type: str) -> None:
    model, _ = made(model_type)
    ids = torch.tensor([[1, 9, 10, 11], [1, 9, 12, 11]])
    more = {"token_type_ids": torch.zeros_like(ids)} if model_type == "gemma3" else {}
    with torch.no_grad():
        states = model(input_ids=ids, output_hidden_states=True, **more).hidden_states
        found = text_states(model, ids, [f"language {i}" for i in range(1, len(states))])
    for layer, one_layer in enumerate(found.values(), 1):
        assert torch.allclose(one_layer, states[layer], atol=1e-5)
