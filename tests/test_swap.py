"""Swapping components: every combination is the model that it says, and all weights come back."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

import tiny  # noqa: E402
from family_subject import FamilySubject  # noqa: E402

from eyechart.errors import EyechartError  # noqa: E402
from eyechart.exam.engine import read  # noqa: E402
from eyechart.exam.forest import Ask  # noqa: E402
from eyechart.inside.remember import modules_of  # noqa: E402
from eyechart.inside.shapley import shapley_table  # noqa: E402
from eyechart.inside.swap import BASE, TUNED, Swap, shared_tensors, swapped_answers  # noqa: E402
from eyechart.subjects.components import COMPONENTS, assign_groups, components, families  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.tune.proof import snapshot  # noqa: E402

PROVED = tuple(name for name, family in families().items() if family.proved)
SHOWN: Any = [0, 0]  # two images
FEW = (
    *("llava", "internvl", "qwen2_5_vl", "qwen3_vl", "gemma3", "paligemma", "mllama", "mplug_owl2"),
    *("blip-2", "idefics2", "lfm2_vl", "qwen3_5"),
)

pytestmark = pytest.mark.filterwarnings("ignore")


def tuned(base: Any, *parts: str) -> Any:
    """Return a copy of a subject whose given components are others."""
    found = copy.deepcopy(base)
    draw = torch.Generator().manual_seed(1)
    for part in parts:
        for parameter in components(found.model)[part].values():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=draw)
    return found


def plainly(base: Any, changed: Any, which: tuple[str, ...], images: Any, ask: Ask) -> Any:
    """Return log p by a model that is put together anew, and computes all of it."""
    whole = copy.deepcopy(base)
    mine, other = components(whole.model), components(changed.model)
    for part, kind in zip(COMPONENTS, which, strict=True):
        if kind == TUNED:
            for name, parameter in mine[part].items():
                parameter.data = other[part][name].data.clone()
    return read(whole, images, [ask], scheme=whole.scheme)[0].logp


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=[] if name in FEW else [pytest.mark.slow]) for name in PROVED],
)
def test_every_combination_is_the_model_that_it_says(family: str) -> None:
    base = FamilySubject(family)
    changed = tuned(base, *COMPONENTS)
    before, others = snapshot(changed.model, ()), snapshot(base.model, ())
    swap = Swap(changed, base)
    assert swap.changed == COMPONENTS
    found = dict(swap.logp(SHOWN, base.ask, base.scheme))
    assert len(found) == 8
    for which, logp in found.items():
        assert np.array_equal(logp, plainly(base, changed, which, SHOWN, base.ask)), which
    assert len({logp.tobytes() for logp in found.values()}) == 8
    assert snapshot(changed.model, ()) == before
    assert snapshot(base.model, ()) == others
    assert not any("forward" in vars(module) for module in changed.model.modules())


def test_encoder_and_projector_compute_once_for_each_of_their_weights() -> None:
    base = FamilySubject("llava")
    changed = tuned(base, *COMPONENTS)
    ran: dict[str, int] = dict.fromkeys(COMPONENTS, 0)

    def count(part: str) -> Any:
        def hook(*_: object) -> None:
            ran[part] += 1

        return hook

    inner = {
        "vision": changed.model.model.vision_tower.encoder.layers[0],
        "projector": changed.model.model.multi_modal_projector.linear_1,
        "language": changed.model.get_decoder().layers[0],
    }
    for part, module in inner.items():
        module.register_forward_hook(count(part))
    list(Swap(changed, base).logp(SHOWN, base.ask, base.scheme))
    assert ran == {"vision": 2, "projector": 4, "language": 16}  # of 8, each over the prompt and its answers


def test_weights_come_back_after_an_error() -> None:
    base = FamilySubject("llava")
    changed = tuned(base, *COMPONENTS)
    before = snapshot(changed.model, ())
    swap = Swap(changed, base)
    broken = Ask(base.ask.prompt, ((10**6,),), write=False)  # no such token
    with pytest.raises((IndexError, RuntimeError)):
        list(swap.logp([0, 0], broken, base.scheme))
    assert snapshot(changed.model, ()) == before
    assert not any("forward" in vars(module) for module in changed.model.modules())


def test_all_that_a_checkpoint_holds_is_swapped() -> None:
    base = FamilySubject("llava")
    for subject in (base, changed := tuned(base, "language")):
        projector = subject.model.model.multi_modal_projector
        projector.register_buffer("mean", torch.zeros(3) + (subject is changed))
    swap = Swap(changed, base)
    assert swap.changed == ("projector", "language")
    with swap.weights((BASE, BASE, TUNED)):
        assert changed.model.model.multi_modal_projector.mean.tolist() == [0, 0, 0]
    assert changed.model.model.multi_modal_projector.mean.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("family", "group"), [("mplug_owl2", "visual_adaptive"), ("mllama", "cross_attention")]
)
def test_visual_weights_of_the_language_model_go_where_they_are_assigned(family: str, group: str) -> None:
    base = FamilySubject(family)
    changed = tuned(base, "language")
    for subject in (changed, base):
        assign_groups(subject.model, {group: "projector"})
    swap = Swap(changed, base)
    assert swap.changed == ("projector", "language")
    found = dict(swap.logp(SHOWN, base.ask, base.scheme))
    assert len(found) == 4
    assert np.array_equal(found[BASE, BASE, BASE], read(base, SHOWN, [base.ask], scheme=base.scheme)[0].logp)
    assert not np.array_equal(found[BASE, TUNED, BASE], found[BASE, BASE, BASE])
    with swap.weights((BASE, BASE, BASE)):
        assert all(map(torch.equal, changed.model.parameters(), base.model.parameters()))


def test_another_model_is_refused() -> None:
    with pytest.raises(EyechartError, match="other tensors than before tuning"):
        Swap(FamilySubject("llava"), FamilySubject("internvl"))


def answers(base: ModelSubject, changed: ModelSubject) -> pd.DataFrame:
    shown = tiny.images(6)
    table = pd.DataFrame({"image_id": [f"i{i}" for i in range(6)], "content": list("aabbcc")})
    table = table.assign(label=[tiny.LABELS[i % 3] for i in range(6)], height=112, width=112)

    def load(names: Any) -> list[Any]:
        return [shown[int(name[1:])] for name in names]

    return swapped_answers(Swap(changed, base), changed, table, load, "What?", tiny.LABELS, "shared", 4)


def test_components_that_tuning_left_are_not_computed_twice(internvl: ModelSubject) -> None:
    changed = tuned(internvl, "projector")
    assert Swap(changed, internvl).combinations() == [(BASE, BASE, BASE), (BASE, TUNED, BASE)]
    found = answers(internvl, changed)
    assert len(found) == 6 * 8
    assert (found.groupby(list(COMPONENTS)).size() == 6).all()
    wide = found.pivot(index="image_id", columns=list(COMPONENTS), values="predicted")
    assert wide[(TUNED, BASE, TUNED)].equals(wide[(BASE, BASE, BASE)])
    assert wide[(TUNED, TUNED, TUNED)].equals(wide[(BASE, TUNED, BASE)])
    asked = np.array(tiny.LABELS)[changed.choose(tiny.images(6), "What?", tiny.LABELS).argmax(1)]
    assert wide[(TUNED, TUNED, TUNED)].tolist() == asked.tolist()
    assert (found["correct"] == (found["predicted"] == found["label"])).all()


def test_nothing_changes_where_nothing_was_tuned(internvl: ModelSubject) -> None:
    swap = Swap(copy.deepcopy(internvl), internvl)
    assert swap.changed == ()
    assert swap.combinations() == [(BASE, BASE, BASE)]


def test_tensors_that_are_one_and_the_same_are_told(internvl: ModelSubject) -> None:
    told = shared_tensors(internvl.model)
    assert list(told) == ["language"]
    assert told["language"] == "model.language_model.embed_tokens.weight is lm_head.weight"
    model = FamilySubject("llava").model
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.data)
    assert shared_tensors(model) == {}
    tied = model.model.multi_modal_projector.linear_2
    tied.weight = model.get_decoder().layers[0].self_attn.q_proj.weight
    (words,) = shared_tensors(model).values()
    assert words.endswith("layers.0.self_attn.q_proj.weight, in language and projector")


def test_modules_of_a_component_are_the_outermost_that_compute(internvl: ModelSubject) -> None:
    parts = components(internvl.model)
    assert modules_of(internvl.model, parts["vision"]) == [internvl.model.model.vision_tower]
    model = FamilySubject("qwen2_5_vl").model  # its merger lies inside the encoder
    inside = modules_of(model, components(model)["vision"])
    assert model.model.visual not in inside
    assert len(inside) == 1 + len(model.model.visual.blocks)


def test_all_of_the_gain_is_given_to_the_component_that_made_it(llava: ModelSubject) -> None:
    changed = tuned(llava, "projector")
    unused = changed.model.model.vision_tower.post_layernorm.weight  # LLaVA reads the last layer but one
    unused.data += 1
    assert Swap(changed, llava).changed == ("vision", "projector")
    found = answers(llava, changed)
    asked = found.groupby(list(COMPONENTS))["predicted"].agg(list)
    assert asked[BASE, TUNED, BASE] != asked[BASE, BASE, BASE]
    labels = {f"i{i}": label for i, label in enumerate(asked[TUNED, TUNED, TUNED])}
    found["correct"] = found["predicted"] == found["image_id"].map(
        labels
    )  # the tuned subject is always right
    table = shapley_table(found)
    overall = table[table["label"] == "overall"].set_index("component")["value"]
    assert overall[["vision", "language"]].tolist() == [0, 0]
    assert overall["projector"] == pytest.approx(overall["gain"])
    assert overall["gain"] > 0
