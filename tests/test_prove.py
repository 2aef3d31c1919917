"""The proof of components on tiny random models of the real classes."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
import tiny  # noqa: E402
from tiny_families import build, inputs  # noqa: E402

from eyechart.subjects import components  # noqa: E402
from eyechart.subjects.check import check_subject  # noqa: E402
from eyechart.subjects.components import Family  # noqa: E402
from eyechart.subjects.entering import entering, visual_tokens  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("family", "told"),
    [
        # A layer of the language model is said to be no part of the exam: its change reaches the answer.
        (Family(other=("model.language_model.layers.0",)), "changing other changes only"),
        # The tower's first layer is said to be the projector: its change reaches what the tower gives.
        (Family(groups={"early": ("model.vision_tower.*layers.0.*",)}), "changing projector changes only"),
    ],
)
def test_a_wrong_map_does_not_pass(monkeypatch: pytest.MonkeyPatch, family: Family, told: str) -> None:
    model = build("llava")
    one, two = inputs(model, 0), inputs(model, 1)
    monkeypatch.setattr(components, "families", lambda: {"llava": family})
    if family.groups:
        right = components.components
        monkeypatch.setattr("eyechart.subjects.prove.components", lambda m: right(m, {"early": "projector"}))
    failed = [claim.claim for claim in prove(model, one, two) if not claim.holds]
    assert any(told in claim for claim in failed), failed


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


@pytest.mark.parametrize("make", [tiny.internvl, tiny.llava])
def test_a_subject_with_its_processor_passes_the_check(make: object) -> None:
    subject: ModelSubject = make()  # type: ignore[operator]
    claims = check_subject(subject, tiny.images(2), tensors=None)
    failed = [claim for claim in claims if not claim.holds]
    assert not failed
    assert claims[-1].claim.startswith("a padded batch")


def test_a_batch_that_depends_on_its_padding_is_told() -> None:
    subject = tiny.internvl()
    forward = subject.model.forward

    @wraps(forward)
    def careless(*args: Any, attention_mask: Any = None, **inputs: Any) -> Any:
        return forward(*args, **inputs)  # padding is read as text

    subject.model.forward = careless
    claims = check_subject(subject, tiny.images(2), tensors=1)
    assert [claim.claim for claim in claims if not claim.holds] == [
        "a padded batch answers as each prompt alone"
    ]
