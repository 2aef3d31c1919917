"""The proof of components on tiny random models of the real classes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
from tiny_families import build, inputs  # noqa: E402

from eyechart.subjects import components  # noqa: E402
from eyechart.subjects.components import Family, assign_groups  # noqa: E402
from eyechart.subjects.entering import entering, visual_tokens  # noqa: E402
from eyechart.subjects.prove import prove  # noqa: E402

PROVED = tuple(name for name, family in components.families().items() if family.proved)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", PROVED)
@pytest.mark.parametrize("tensors", [4, pytest.param(None, marks=pytest.mark.slow)])
def test_components_are_what_they_are_called(model_type: str, tensors: int | None) -> None:
    if model_type == "mplug_owl2":
        model, make = owl.tiny_model(), owl.tiny_inputs
    else:
        model, make = build(model_type), inputs
    claims = prove(model, make(model, 0), make(model, 1), tensors)
    assert [f"{c.claim}: {c.evidence}" for c in claims if not c.holds] == []
    assert len(claims) >= 8


LAYER, LAST = "model.language_model.layers.0", ("model.language_model.layers.1", "lm_head")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model_type", "family", "told"),
    [
        # A layer of the language model is said to be no part of the exam: its change reaches the answer.
        ("llava", Family(other=(LAYER,)), "changing other changes only"),
        # It is said to be the projector: its change reaches the answer by another way than the visual tokens.
        ("llava", Family(projector=(LAYER,)), "changing projector changes only"),
        ("llava", Family(projector=LAST), "changing projector changes only"),
        # What maps inside the tower is said to be the tower's; what is never used, to be the projector's.
        ("ovis2", None, "nothing behind the vision encoder's last layer"),
        ("step3p7", None, "nothing behind the vision encoder's last layer"),
        ("janus", None, "every module of projector has an effect"),
        ("video_llava", None, "every module of projector has an effect"),
    ],
)
def test_a_wrong_map_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, model_type: str, family: Family | None, told: str
) -> None:
    model = build(model_type)
    one, two = inputs(model, 0), inputs(model, 1)
    monkeypatch.setattr(components, "families", lambda: {model_type: family} if family else {})
    assert told in _failed(model, one, two)


def _failed(model: Any, one: Any, two: Any, tensors: int | None = 4) -> str:
    return "; ".join(f"{c.claim}: {c.evidence}" for c in prove(model, one, two, tensors) if not c.holds)


# What a user may say of a family, and the claim that fails then; "" if it is as good a map.
ASSIGNED = [
    ("qwen2_vl", {"model.visual.blocks.0": "projector"}, "changing projector changes only"),
    ("llava", {"model.multi_modal_projector": "vision"}, "changing vision changes only"),
    ("qwen2_vl", {"merger": "language"}, "changing language changes only"),
    ("mllama", {"cross_attention": "projector"}, ""),
    ("mllama", {"cross_attention": "other"}, "changing other changes only"),
    ("mllama", {"model.language_model.layers.1.mlp": "projector"}, "changing projector changes only"),
    ("mplug_owl2", {"visual_adaptive": "projector"}, ""),
]
ASSIGNED += [(name, {"merger": "vision"}, "") for name in ("qwen2_vl", "qwen3_vl", "glm4v", "ovis2")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("model_type", "assign", "told"), ASSIGNED)
def test_what_a_user_assigns_is_judged(model_type: str, assign: dict[str, str], told: str) -> None:
    own = model_type == "mplug_owl2"
    model, make = (owl.tiny_model(), owl.tiny_inputs) if own else (build(model_type), inputs)
    assign_groups(model, assign)
    failed = _failed(model, make(model, 0), make(model, 1))
    assert told in failed if told else failed == ""


@pytest.mark.filterwarnings("ignore")
def test_an_unlisted_type_can_be_told() -> None:
    """The general rule finds no projector in Qwen2-VL, and too much of one in Janus."""
    for model_type, assign in (
        ("qwen2_vl", {"model.visual.merger": "projector"}),
        ("janus", {f"model.{part}": "other" for part in JANUS}),
    ):
        model = build(model_type)
        one, two = inputs(model, 0), inputs(model, 1)
        listed = {part: set(found) for part, found in components.components(model).items()}
        with pytest.MonkeyPatch.context() as unlisted:
            unlisted.setattr(components, "families", dict)
            assign_groups(model, assign)
            assert {part: set(found) for part, found in components.components(model).items()} == listed
            assert _failed(model, one, two) == ""


JANUS = ("vqmodel", "generation_embeddings", "generation_aligner", "generation_head")


@pytest.mark.filterwarnings("ignore")
def test_the_door_keeps_gradients_and_the_language_model_is_not_run() -> None:
    model = build("llava")
    batch = inputs(model, 0)
    ran: list[int] = []
    hook = model.get_decoder().layers[0].register_forward_hook(lambda *_: ran.append(1))
    visual_tokens(model, batch).sum().backward()  # type: ignore[no-untyped-call]
    hook.remove()
    assert not ran
    assert next(iter(model.get_encoder(modality="image").parameters())).grad is not None
    assert model.lm_head.weight.grad is None


@pytest.mark.filterwarnings("ignore")
def test_features_that_enter_inner_layers_are_seen() -> None:
    beside = {}
    for model_type in ("mllama", "qwen3_vl", "llava"):
        model = build(model_type)
        beside[model_type] = set(entering(model, inputs(model, 0)).beside)
    assert beside["mllama"] == {"cross_attention_states"}
    assert "deepstack_visual_embeds" in beside["qwen3_vl"]
    assert beside["llava"] == set()
