"""Stages of every proved family: whose states they are, what they depend on, and what has none."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

import owl  # noqa: E402
import tiny  # noqa: E402
from tiny_families import build, inputs  # noqa: E402

from eyechart.errors import EyechartError  # noqa: E402
from eyechart.subjects.change import changed  # noqa: E402
from eyechart.subjects.components import (  # noqa: E402
    assign_groups,
    components,
    families,
)
from eyechart.subjects.entering import image_token_id, visual_tokens  # noqa: E402
from eyechart.subjects.model import ModelSubject  # noqa: E402
from eyechart.subjects.stages import ENCODED, LAST, PROJECTED, _layers, stage_names, stages  # noqa: E402

PROVED = tuple(name for name, family in families().items() if family.proved)
CROSSING = ("mllama",)  # no image positions: no states of the language model at them
# Families that leave out the encoder's last layer, or read several: what lies behind it does not follow.
READS_EARLIER = ("llava", "llava_next", "llava_next_video", "video_llava")

pytestmark = pytest.mark.filterwarnings("ignore")


def made(model_type: str) -> tuple[Any, Any]:
    if model_type == "mplug_owl2":
        return owl.tiny_model(), owl.tiny_inputs
    return build(model_type), inputs


def seen(model: Any, batch: Any) -> dict[str, list[Any]]:
    with torch.no_grad():
        return stages(model, batch)


def follow(before: dict[str, list[Any]], after: dict[str, list[Any]], row: int = 0) -> list[str]:
    """Return the stages at which a row's states differ."""
    return [name for name in before if not torch.equal(before[name][row], after[name][row])]


@pytest.mark.parametrize("model_type", PROVED)
def test_stages_of_a_family(model_type: str) -> None:
    model, make = made(model_type)
    batch, names = make(model, 0), list(stage_names(model))
    found = seen(model, batch)
    assert list(found) == names
    layers = len(_layers(model, "vision"))
    assert layers >= 2
    assert names[: layers + 2] == [*(f"encoder {i + 1}" for i in range(layers)), ENCODED, PROJECTED]
    assert names[-1] == LAST
    assert all(len(states) == 2 and states[0].ndim == 2 for states in found.values())
    assert all(states[0].shape == states[1].shape for states in found.values())
    assert torch.equal(torch.cat(found[PROJECTED]), visual_tokens(model, batch))
    _as_the_decoder_gives_them(model, batch, found)


def _as_the_decoder_gives_them(model: Any, batch: Any, found: dict[str, list[Any]]) -> None:
    with torch.no_grad():
        out = model(**batch, output_hidden_states=True)
    states = (
        out.language_model_outputs.hidden_states if "language_model_outputs" in out else out.hidden_states
    )
    at = batch["input_ids"] == image_token_id(model)
    language = [name for name in found if name.startswith("language") and name != LAST]
    assert len(language) == (0 if model.config.model_type in CROSSING else len(states) - 1)
    for layer, name in enumerate(language, 1):
        assert all(torch.equal(found[name][i], states[layer][i][at[i]]) for i in range(2)), name
    assert torch.equal(torch.cat(found[LAST]), states[-1][:, -1])


@pytest.mark.parametrize("model_type", PROVED)
def test_a_change_moves_its_stage_and_those_behind_it(model_type: str) -> None:
    model, make = made(model_type)
    batch = make(model, 0)
    before, names = seen(model, batch), list(stage_names(model))
    encoder = [layer for layer, _ in _layers(model, "vision")]
    behind = {"encoder 1": names, f"encoder {len(encoder)}": names[len(encoder) - 1 :]}
    for name, expected in behind.items():
        parameter = next(p for p in encoder[int(name.split()[1]) - 1].parameters() if p.ndim == 2)
        with changed(parameter):
            moved = follow(before, seen(model, batch))
        if name != "encoder 1" and model_type in READS_EARLIER:
            expected = [name, ENCODED]
        assert moved == expected, name
    language = next(p for p in _layers(model, "language")[0][0].parameters() if p.ndim == 2)
    with changed(language):
        moved = follow(before, seen(model, batch))
    assert moved == [name for name in names if name.startswith("language")]


@pytest.mark.parametrize("model_type", PROVED)
def test_states_are_those_of_their_image(model_type: str) -> None:
    model, make = made(model_type)
    one, two = make(model, 0), make(model, 1)
    half = len(one["pixel_values"]) // 2
    pixels = torch.cat([one["pixel_values"][:half], two["pixel_values"][half:]])
    before, after = seen(model, one), seen(model, {**one, "pixel_values": pixels})
    assert follow(before, after, row=1) == list(stage_names(model))
    apart = {name: float((before[name][0] - after[name][0]).abs().max()) for name in before}
    assert max(apart.values()) < 1e-4, apart


def test_a_subject_gives_its_stages_whatever_the_sizes(subject: ModelSubject) -> None:
    shown = [*tiny.images(2), *tiny.images(1, seed=1, side=84), *tiny.images(2, seed=2)]
    for name in stage_names(subject.model):
        together = subject.stage(shown, name, question="What is this?", batch=2)
        alone = [subject.stage([image], name, question="What is this?")[0] for image in shown]
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(together, alone, strict=True)), name
        assert not torch.allclose(together[0], together[1], atol=1e-4), name
    assert all(map(torch.equal, subject.stage(shown, PROJECTED), subject.visual_tokens(shown)))
    with pytest.raises(EyechartError, match="has no stage 'retina'"):
        subject.stage(shown, "retina")


def test_grids_of_two_sizes_are_told_apart() -> None:
    model = build("qwen2_5_vl")
    grids = torch.tensor([[1, 4, 4], [1, 4, 8]])
    ids = [[1, *[7] * (int(grid.prod()) // 4), 2] for grid in grids]
    ids[0] += [2] * (len(ids[1]) - len(ids[0]))
    batch = {
        "input_ids": torch.tensor(ids),
        "attention_mask": torch.tensor([[1] * 6 + [0] * 4, [1] * 10]),
        "pixel_values": torch.randn(48, 1176),
        "image_grid_thw": grids,
    }
    batch["mm_token_type_ids"] = (batch["input_ids"] == 7).long()
    found = seen(model, batch)
    counts = {name: [len(states) for states in rows] for name, rows in found.items()}
    assert counts["encoder 1"] == counts[ENCODED] == [16, 32]
    assert counts[PROJECTED] == counts["language 1"] == [4, 8]
    alone = seen(
        model,
        {**batch, **{n: batch[n][1:] for n in batch if n != "pixel_values"}}
        | {"pixel_values": batch["pixel_values"][16:]},
    )
    assert all(torch.allclose(found[name][1], alone[name][0], atol=1e-4) for name in found)


def test_padding_is_no_token_of_the_image() -> None:
    model = build("lfm2_vl")
    batch = inputs(model, 0)
    batch["pixel_attention_mask"][1, 8:] = 0
    batch["spatial_shapes"][1] = torch.tensor([2, 4])
    batch["input_ids"][1, 5:7] = 9
    found = seen(model, batch)
    assert [len(states) for states in found["encoder 2"]] == [16, 8]
    assert [len(states) for states in found[PROJECTED]] == [4, 2]
    model = build("mllama")
    batch = inputs(model, 0)
    batch["aspect_ratio_mask"][:, :, 1] = 1
    batch["aspect_ratio_ids"][:] = 2
    assert [len(states) for states in seen(model, batch)["encoder 1"]] == [34, 34]


@pytest.mark.parametrize(
    ("model_type", "name", "told"),
    [
        ("llava", "encoder 3", "has no stage 'encoder 3'"),
        ("llava", "middle", "has no stage 'middle'"),
        (
            "mllama",
            "language 1",
            "has no stage 'language 1': it looks at the image by cross-",
        ),
    ],
)
def test_a_stage_that_cannot_be_had_is_told(model_type: str, name: str, told: str) -> None:
    model = build(model_type)
    with pytest.raises(EyechartError, match=told) as raised:
        stages(model, inputs(model, 0), [name])
    assert "encoder 1, encoder 2" in raised.value.remedy


def test_images_that_are_not_one_a_prompt_are_refused() -> None:
    model = build("llava")
    batch = inputs(model, 0)
    batch["pixel_values"] = torch.randn(3, 3, 56, 56)
    batch["input_ids"] = torch.tensor([[1, *[7] * 24, 3]] * 2)
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    with pytest.raises(EyechartError, match="51 states of the encoder do not divide into 2 images"):
        stages(model, batch, ["encoder 1"])


def test_the_language_model_computes_only_if_asked_and_gradients_are_kept() -> None:
    model = build("llava")
    ran: list[int] = []
    hook = model.get_decoder().layers[0].register_forward_hook(lambda *_: ran.append(1))
    found = stages(model, inputs(model, 0), ["encoder 1", PROJECTED])
    assert not ran
    assert list(found) == ["encoder 1", PROJECTED]
    torch.cat(found[PROJECTED]).sum().backward()
    hook.remove()
    tower = components(model)["vision"]
    assert any(parameter.grad is not None for parameter in tower.values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model_type", "group", "component"),
    [
        ("mllama", "cross_attention", "projector"),
        ("qwen3_vl", "merger", "vision"),
        ("glm4v", "merger", "vision"),
    ],
)
def test_an_assignment_moves_the_end_of_the_encoder_and_no_layer(
    model_type: str, group: str, component: str
) -> None:
    model = build(model_type)
    batch = inputs(model, 0)
    with torch.no_grad():
        names, before = stage_names(model), stages(model, batch)
        assign_groups(model, {group: component})
        after = stages(model, batch)
    assert stage_names(model) == names
    same = {name for name in names if all(map(torch.equal, before[name], after[name]))}
    if group == "merger":  # four patches become one, which is what enters the language model
        assert set(names) - same == {"encoder output"}
        assert all(map(torch.equal, after["encoder output"], after["projector output"]))
    else:
        assert same == set(names)
