"""The proof of tuning finds every planted fault, and passes what did as it was asked."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_families import build

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS, assign_groups, components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.proof import prove, snapshot


def move(model: Any, *names: str) -> None:
    """Change one number of each named parameter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in names:
                parameter.flatten()[0] += 1


def first(model: Any, component: str) -> str:
    return next(iter(components(model)[component]))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_frozen_tensor_that_moves_is_found(pupil: ModelSubject, component: str) -> None:
    asked = tuple(c for c in COMPONENTS if c != component)
    before, culprit = snapshot(pupil.model, asked), first(pupil.model, component)
    move(pupil.model, *(first(pupil.model, c) for c in COMPONENTS))
    with pytest.raises(EyechartError, match=f"1 tensors of {component} changed, which was not.*: {culprit}"):
        prove(before, pupil.model, asked)


def test_the_smallest_change_of_a_frozen_tensor_is_found(pupil: ModelSubject) -> None:
    """The last bit of one number in a tied output head, which no sum over the weights would show."""
    before = snapshot(pupil.model, ("projector",))
    move(pupil.model, first(pupil.model, "projector"))
    with torch.no_grad():
        head = pupil.model.get_output_embeddings().weight
        head[-1, -1] = torch.nextafter(head[-1, -1], torch.tensor(9.0))
    with pytest.raises(EyechartError, match="1 tensors of language changed"):
        prove(before, pupil.model, ("projector",))


def test_a_frozen_running_mean_that_moves_is_found(pupil: ModelSubject) -> None:
    """Statistics of a batch normalisation move in training mode although nothing of it is trained."""
    tower = pupil.model.get_encoder(modality="image")
    tower.add_module("normalisation", torch.nn.BatchNorm1d(3, affine=False))
    for asked, told in ((("projector",), True), (("vision", "projector"), False)):
        before = snapshot(pupil.model, asked)
        tower.normalisation.train()(torch.randn(4, 3))
        move(pupil.model, *(first(pupil.model, component) for component in asked))
        if told:
            with pytest.raises(EyechartError, match=r"vision changed, .*normalisation\.running_mean"):
                prove(before, pupil.model, asked)
        else:
            assert prove(before, pupil.model, asked)["ok"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_chosen_component_that_did_not_move_is_found(subject: ModelSubject, component: str) -> None:
    with pytest.raises(EyechartError, match=f"no tensor of {component} changed.*\n.*learning rate"):
        prove(snapshot(subject.model), subject.model, (component,))


def test_a_weight_that_is_not_finite_is_found(pupil: ModelSubject) -> None:
    for component in ("vision", "projector"):
        copied = copy.deepcopy(pupil.model)
        before = snapshot(copied, ("projector",))
        with torch.no_grad():
            next(iter(components(copied)[component].values())).fill_(float("nan"))
        with pytest.raises(EyechartError, match=f"{component} are not finite"):
            prove(before, copied, ("projector",))


def test_numbers_of_the_proof(pupil: ModelSubject) -> None:
    old = {name: p.detach().double().clone() for name, p in pupil.model.named_parameters()}
    before = snapshot(pupil.model, ("vision", "projector"))
    vision = components(pupil.model)["vision"]
    still = list(vision)[:2]
    with torch.no_grad():
        for name, parameter in vision.items():
            if name not in still:
                parameter.add_(0.01 * torch.randn_like(parameter))
    move(pupil.model, first(pupil.model, "projector"))
    proof = prove(before, pupil.model, ("vision", "projector"), unreachable=still[:1])
    assert json.loads(json.dumps(proof)) == proof
    row = proof["components"]["vision"]
    difference = sum(float((p.detach() - old[n]).square().sum()) for n, p in vision.items())
    norm = sum(float(old[n].square().sum()) for n in vision)
    assert row["relative_change"] == pytest.approx((difference / norm) ** 0.5, rel=1e-6)
    assert (row["tensors"], row["changed_tensors"]) == (len(vision), len(vision) - 2)
    assert (row["no_gradient"], row["unmoved"]) == (still[:1], still[1:])
    assert row["sha256_before"] != row["sha256_after"]
    assert [r["method"] for r in proof["components"].values()] == ["full", "full", "frozen"]
    frozen = proof["components"]["language"]
    assert frozen["sha256_before"] == frozen["sha256_after"]
    assert frozen["relative_change"] == frozen["chosen_tensors"] == 0


def test_tensors_without_gradient_are_no_excuse_for_a_whole_component(subject: ModelSubject) -> None:
    """Where nothing of a component can move, it is told, with another remedy than a higher rate."""
    names = list(components(subject.model)["vision"])
    with pytest.raises(EyechartError, match="choose another component"):
        prove(snapshot(subject.model), subject.model, ("vision",), unreachable=names)
    with pytest.raises(EyechartError, match="learning rate"):
        prove(snapshot(subject.model), subject.model, ("vision",), unreachable=names[1:])


def lora(model: Any, component: str) -> list[str]:
    """Tune a component's first layer by merged LoRA; return the weights that carried adapters."""
    part = components(model)[component]
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and f"{name}.weight" in part and ".0." in name
    ]
    adapter = get_peft_model(model, LoraConfig(r=2, target_modules=linear, init_lora_weights=False))
    adapter.merge_and_unload()
    return [f"{name}.weight" for name in linear]


@pytest.mark.parametrize("component", ["vision", "language"])
def test_lora_of_one_component(pupil: ModelSubject, component: str) -> None:
    before = snapshot(pupil.model, (component,))
    adapted = lora(pupil.model, component)
    assert adapted
    proof = prove(before, pupil.model, (component,), adapted={component: adapted})
    row = proof["components"][component]
    assert row["method"] == "adapter"
    assert row["changed_tensors"] == row["chosen_tensors"] == len(adapted) < row["tensors"]
    move(pupil.model, first(pupil.model, component))  # an embedding, which carried none
    with pytest.raises(EyechartError, match=f"1 tensors of {component} changed, which carried no adapter"):
        prove(before, pupil.model, (component,), adapted={component: adapted})
    assert prove(before, pupil.model, (component,))["components"][component]["method"] == "full"


def test_adapters_that_are_not_merged_are_told(pupil: ModelSubject) -> None:
    before = snapshot(pupil.model, ("language",))
    get_peft_model(pupil.model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    with pytest.raises(EyechartError, match="merge adapters"):
        prove(before, pupil.model, ("language",))


@pytest.mark.filterwarnings("ignore")
def test_a_group_that_a_user_assigned() -> None:
    """Mllama's cross-attention counts to the projector: its change is the projector's, not the language's."""
    model = build("mllama")
    assign = {"cross_attention": "projector"}
    plain = snapshot(model, ("projector",))
    assign_groups(model, assign)
    group = next(n for n in components(model)["projector"] if "cross_attn" in n)
    before = snapshot(model, ("projector",))
    move(model, group)
    proof = prove(before, model, ("projector",))
    assert proof["assign"] == assign
    assert proof["components"]["projector"]["changed_tensors"] == 1
    move(model, next(iter(components(model, {})["projector"])))
    with pytest.raises(EyechartError, match="1 tensors of language changed"):
        prove(plain, model, ("projector",))


def test_a_model_in_bfloat16(internvl: ModelSubject) -> None:
    model = copy.deepcopy(internvl.model).bfloat16()
    before = snapshot(model, ("projector",))
    with torch.no_grad():
        next(iter(components(model)["projector"].values())).add_(1)
    assert prove(before, model, ("projector",))["components"]["projector"]["changed_tensors"] == 1


def test_a_snapshot_copies_what_is_trained_alone(subject: ModelSubject) -> None:
    kept = snapshot(subject.model, ("projector",)).values
    assert set(kept) == set(components(subject.model)["projector"])
