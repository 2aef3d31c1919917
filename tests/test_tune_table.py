"""The table before training counts right, and names exactly the tensors that no training can move."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import tiny
import torch
from peft import LoraConfig, get_peft_model
from tiny_families import build, inputs
from torch.profiler import ProfilerActivity, profile

from eyechart.exam.console import WIDTH, rendered
from eyechart.subjects.components import COMPONENTS, components
from eyechart.subjects.model import ModelSubject
from eyechart.tune.reach import last_logits, original, unreachable, whole_modules
from eyechart.tune.table import activation_bytes, before_summary, before_table

PATH = ("vision", "projector")
# Modules of the vision path that each family's answer does not depend on, in its tiny model of two layers.
DEAD = {
    "llava": ["model.vision_tower.encoder.layers.1", "model.vision_tower.post_layernorm"],
    "llava_onevision": ["model.vision_tower.post_layernorm"],
    "gemma3": ["model.vision_tower.head"],
    "internvl": [],
    "qwen2_5_vl": [],
    "idefics3": [],
    "mllama": [],
}


@contextmanager
def changed(parameter: torch.Tensor) -> Iterator[None]:
    kept = parameter.detach().clone()
    parameter.data.add_(0.5 * torch.randn_like(parameter) + 0.1)
    yield
    parameter.data.copy_(kept)


def batch(subject: ModelSubject) -> dict[str, torch.Tensor]:
    return subject.inputs(tiny.images(2), subject.conversation("What is it?"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", DEAD)
def test_tensors_without_gradient_are_those_whose_change_changes_nothing(model_type: str) -> None:
    """Against another way of asking: change a tensor and look whether the answer stays, bit for bit."""
    model = build(model_type)
    seen = inputs(model, 0)
    dead = unreachable(model, seen, PATH)
    assert [name for name, _ in whole_modules(model, dead)] == DEAD[model_type]
    with torch.no_grad():
        whole = model(**seen).logits[:, -1]
        for part in PATH:
            found = list(components(model)[part].items())
            few = found[:: max(1, len(found) // 6)]  # of those that train; of those that do not, all
            for name, parameter in dict([*few, *((n, p) for n, p in found if n in dead)]).items():
                with changed(parameter):
                    assert torch.equal(model(**seen).logits[:, -1], whole) == (name in dead), name


def test_a_gradient_that_is_exactly_zero_is_none(llava: ModelSubject) -> None:
    """Read before the first layer, the class token is computed, and dropped: its gradient is all zeros."""
    model = copy.deepcopy(llava.model)
    model.config.vision_feature_layer = -3
    dead = unreachable(model, batch(llava), ("vision",))
    assert next(name for name in dead if "layers" not in name).endswith("class_embedding")
    assert not any(name.endswith(("patch_embedding.weight", "position_embedding.weight")) for name in dead)


def test_the_probe_leaves_the_model_as_it_was(pupil: ModelSubject) -> None:
    before = {name: p.detach().clone() for name, p in pupil.model.named_parameters()}
    pupil.model.requires_grad_(False).train()
    pupil.projector.requires_grad_(True)
    flags = [p.requires_grad for p in pupil.model.parameters()]
    unreachable(pupil.model, batch(pupil), COMPONENTS)
    assert all(torch.equal(p, before[name]) for name, p in pupil.model.named_parameters())
    assert [p.requires_grad for p in pupil.model.parameters()] == flags
    assert all(p.grad is None for p in pupil.model.parameters())
    assert pupil.model.training


def test_only_chosen_components_are_asked_about(llava: ModelSubject) -> None:
    seen = batch(llava)
    assert unreachable(llava.model, seen, ("projector", "language")) == []
    assert set(unreachable(llava.model, seen, COMPONENTS)) <= set(components(llava.model)["vision"])
    with torch.no_grad():  # where training is off, the probe turns it on for itself
        assert len(unreachable(llava.model, seen, ("vision",))) == 18


def test_a_chosen_component_of_which_nothing_is_reached(pupil: ModelSubject) -> None:
    """A text without an image: the vision path has no part in it, and the pass has no gradient at all."""
    ids = torch.tensor([[3, 4, 5]])
    dead = unreachable(pupil.model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, ("vision",))
    assert dead == list(components(pupil.model)["vision"])


def test_table_of_full_training(pupil: ModelSubject) -> None:
    pupil.model.requires_grad_(False)
    parts = components(pupil.model)
    for parameter in [*parts["vision"].values(), *parts["projector"].values()]:
        parameter.requires_grad_(True)
    dead = unreachable(pupil.model, batch(pupil), PATH)
    table = before_table(pupil.model, dead).set_index("component")
    assert list(table.index) == [*COMPONENTS, "total"]
    for name, part in parts.items():
        size, row = sum(p.numel() for p in part.values()), table.loc[name]
        trained = size if name in PATH else 0
        assert (row["tensors"], row["parameters"], row["trained"]) == (len(part), size, trained)
        assert (row["frozen"], row["weights"], row["gradients"]) == (size - trained, 4 * size, 4 * trained)
    assert table.loc["vision", "no_gradient"] == len(dead)
    assert (table.loc["total"] == table.iloc[:-1].sum()).all()
    assert table.loc["total", "parameters"] == sum(p.numel() for p in pupil.model.parameters())


def test_optimiser_bytes_are_those_of_the_real_optimiser(pupil: ModelSubject) -> None:
    pupil.model.requires_grad_(False)
    pupil.projector.requires_grad_(True)
    optimiser = torch.optim.AdamW([p for p in pupil.model.parameters() if p.requires_grad])
    pupil.model(**batch(pupil)).logits.sum().backward()
    optimiser.step()
    held = [t for state in optimiser.state.values() for t in state.values()]
    table = before_table(pupil.model).set_index("component")
    assert table.loc["total", "optimiser"] == sum(t.numel() * t.element_size() for t in held)
    gradients = [p.grad for p in pupil.model.parameters() if p.grad is not None]
    assert table.loc["total", "gradients"] == sum(g.numel() * g.element_size() for g in gradients)


def test_table_of_adapters(pupil: ModelSubject) -> None:
    """LoRA on the whole vision encoder: those on LLaVA's last layer get no gradient, by the base's probe."""
    dead = unreachable(pupil.model, batch(pupil), ("vision",))
    vision = components(pupil.model)["vision"]
    linear = [
        name
        for name, module in pupil.model.named_modules()
        if isinstance(module, torch.nn.Linear) and f"{name}.weight" in vision
    ]
    get_peft_model(pupil.model, LoraConfig(r=2, target_modules=linear))
    adapters = {n: p for n, p in pupil.model.named_parameters() if "lora_" in n}
    row = before_table(pupil.model, dead).set_index("component").loc["vision"]
    assert row["trained_tensors"] == len(adapters) == 2 * len(linear)
    assert row["trained"] == row["adapter"] == sum(p.numel() for p in adapters.values())
    assert row["no_gradient"] == 2 * sum(f"{name}.weight" in dead for name in linear)
    assert (row["no_gradient"] > 0) == (pupil.name == "tiny-llava")
    assert {original(n) for n in adapters} == {f"{name}.weight" for name in linear}
    told = rendered(before_summary(pupil.model, before_table(pupil.model, dead), dead))
    assert ("layers.1.self_attn.q_proj.weight" in told) == (pupil.name == "tiny-llava")
    assert "layer_norm1" not in told  # without gradient too, but it carries no adapter


def test_activations_of_a_layer_by_hand() -> None:
    """Kept for the backward pass of logsumexp(x W): x, the logits, and their logsumexp."""

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(8, 32, bias=False)

        def forward(self, x: torch.Tensor) -> Any:
            return SimpleNamespace(logits=self.inner(x))

    model, x = Layer(), torch.randn(5, 1, 8)
    assert activation_bytes(model, {"x": x}) == 4 * (5 * 8 + 5 * 32 + 5)
    model.requires_grad_(False)
    assert activation_bytes(model, {"x": x}) == 0


@pytest.mark.parametrize("part", ["all", "projector"])
def test_activations_are_what_the_allocator_still_holds(pupil: ModelSubject, part: str) -> None:
    """Against the profiler's record of what was allocated and not freed; the images were there before."""
    seen = batch(pupil)
    pupil.model.requires_grad_(part == "all")
    pupil.projector.requires_grad_(True)
    found = activation_bytes(pupil.model, seen)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        end = last_logits(pupil.model, seen).logsumexp(-1).sum()
    events = profiled.profiler.kineto_results.events()
    held = sum(event.nbytes() for event in events if event.name() == "[memory]")
    del end
    given = seen["pixel_values"].nbytes if part == "all" else 0  # kept for the gradient of the first layer
    assert found - given == pytest.approx(held, rel=0.01)


def test_activations_grow_with_the_batch(internvl: ModelSubject) -> None:
    text = internvl.conversation("What is it?")
    one, two = (activation_bytes(internvl.model, internvl.inputs(tiny.images(n), text)) for n in (2, 4))
    assert two == pytest.approx(2 * one, rel=0.05)


def test_summary_fits_80_columns_and_warns(subject: ModelSubject) -> None:
    subject.model.requires_grad_(True)  # other tests share it, and freeze it
    dead = unreachable(subject.model, batch(subject), COMPONENTS)
    table = before_table(subject.model, dead)
    told = rendered(before_summary(subject.model, table, dead, (2_500_000, 4)))
    assert max(map(len, told.splitlines())) <= WIDTH
    line = next(line for line in told.splitlines() if line.startswith("vision"))
    row = table.set_index("component").loc["vision"]
    assert line.split()[1] == str(row["tensors"])
    assert line.split()[-1] == str(len(dead))
    flowing = " ".join(told.split())
    assert "activations 2.5 MB (a batch of 4)" in flowing
    assert "lm_head.weight" in flowing  # the tied head is named
    assert ("cannot receive a gradient" in flowing) == (subject.name == "tiny-llava")


def test_summary_of_seven_billion_parameters_fits(subject: ModelSubject) -> None:
    table = before_table(subject.model)
    numbers = table.columns.drop("component")
    told = rendered(before_summary(subject.model, table.assign(**dict.fromkeys(numbers, 7_063_427_072))))
    assert "7.1 G" in told
    assert "…" not in told
