"""mPLUG-Owl2 against what its original code gave on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from owl import CLOSE, MODEL, SIDE, apart, expanded, facts, needs_oracle, original, tensors
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from eyechart.models.mplug_owl2 import MPLUGOwl2Config
from eyechart.models.mplug_owl2.abstractor import grid_positions, query_positions
from eyechart.models.mplug_owl2.language import Route

pytestmark = needs_oracle

IMAGES = {
    "single": [0],
    "two_adjacent": [1, 2],
    "two_apart": [2, 0],
    "image_first": [3],
    "text_only": [],
    "batch_equal": [0, 1, 2],
    "single_labels": [0],
    "batch_right": [1, 2],
    "batch_uneven_images": [0, 1, 2],
    "batch_text_and_image": [0, 2],  # the original ate the image between them
    "left_ref_row0": [0],
    "left_ref_row1": [1],
    "video_equal": [0, 1, 2, 1, 2, 3],
}
PAD = 2


def recorded(case: str, name: str) -> torch.Tensor:
    return tensors("expected")[f"case.{case}.{name}"]


def inputs(case: str) -> dict[str, torch.Tensor]:
    """Return a case as this model takes it: placeholders expanded, then padded on the right."""
    frames = 3 if case.startswith("video") else 1
    ids = recorded(case, "input_ids")
    real = tensors("expected").get(f"case.{case}.attention_mask", torch.ones_like(ids)).bool()
    rows = [expanded(row[keep].tolist(), frames=frames) for row, keep in zip(ids, real, strict=True)]
    longest = max(map(len, rows))
    given = {
        "input_ids": torch.tensor([row + [PAD] * (longest - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows]),
    }
    if IMAGES[case]:
        given["pixel_values"] = tensors("expected")["pixel_values"][IMAGES[case]]
    return given


def labels(case: str) -> torch.Tensor:
    """Return a case's labels by position; what the original recorded for image positions is left to ours."""
    ids = recorded(case, "input_ids")
    real = tensors("expected").get(f"case.{case}.attention_mask", torch.ones_like(ids)).bool()
    rows = []
    for row, label, keep in zip(ids, recorded(case, "labels"), real, strict=True):
        kept = [(-200, 7) if t == -200 else (0, x) for t, x in zip(row[keep], label[keep], strict=True)]
        rows.append([x for t, x in kept for x in ([7] * 9 if t == -200 else [int(x)])])
    longest = max(map(len, rows))
    return torch.tensor([row + [-100] * (longest - len(row)) for row in rows])


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_vision_and_abstractor(attention: str) -> None:
    expected = tensors("expected")
    with torch.no_grad():
        seen = original(attention).get_image_features(expected["pixel_values"], output_hidden_states=True)
    names = ["embeddings", "layer0", "layer1"]
    for state, name in zip(seen.hidden_states, names, strict=True):
        assert apart(state, expected[f"stage.vision.{name}"]) < CLOSE
    assert apart(seen.last_hidden_state, expected["stage.vision.last_hidden_state"]) < CLOSE
    assert apart(seen.pooler_output, expected["stage.abstractor.last_hidden_state"]) < CLOSE


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("case", IMAGES)
def test_logits_and_states(case: str, attention: str) -> None:
    given = inputs(case)
    with torch.no_grad():
        out = original(attention)(**given, output_hidden_states=True)
    real = given["attention_mask"].bool()
    states = {"logits": out.logits, "last_hidden_state": out.hidden_states[-1]}
    if IMAGES[case]:
        states["spliced_embeds"] = out.hidden_states[0]
    if f"case.{case}.expected.decoder_layer0" in tensors("expected"):
        states["decoder_layer0"] = out.hidden_states[1]
    for name, state in states.items():
        expected = recorded(case, f"expected.{name}")[:, : real.shape[1]]
        assert apart(state[real], expected[real]) < CLOSE, name


def test_keys_and_values() -> None:
    with torch.no_grad():
        cache = original()(**inputs("single"), use_cache=True).past_key_values
    assert apart(cache.layers[0].keys, recorded("single", "expected.key_cache_layer0")) < CLOSE
    assert apart(cache.layers[0].values, recorded("single", "expected.value_cache_layer0")) < CLOSE


@pytest.mark.parametrize(
    "case", ["single", "two_adjacent", "two_apart", "image_first", "text_only", "batch_equal"]
)
def test_greedy_text(case: str) -> None:
    given = inputs(case)
    written = original().generate(
        **given, max_new_tokens=10, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    new = written.sequences[:, given["input_ids"].shape[1] :]
    assert new.tolist() == recorded(case, "expected.generated_ids").tolist()
    assert apart(torch.stack(written.logits, 1), recorded(case, "expected.generation_scores")) < CLOSE


@pytest.mark.parametrize(
    "case", ["single_labels", "batch_right", "batch_uneven_images", "batch_text_and_image"]
)
def test_loss(case: str) -> None:
    with torch.no_grad():
        loss = original()(**inputs(case), labels=labels(case)).loss
    assert abs(float(loss) - float(recorded(case, "expected.loss"))) < 1e-5


def test_left_padded_rows_equal_the_rows_alone() -> None:
    cases = ["left_ref_row0", "left_ref_row1"]
    alone = [inputs(case)["input_ids"][0].tolist() for case in cases]
    longest = max(map(len, alone))
    given = {
        "input_ids": torch.tensor([[PAD] * (longest - len(row)) + row for row in alone]),
        "attention_mask": torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in alone]),
        "pixel_values": tensors("expected")["pixel_values"][:2],
    }
    with torch.no_grad():
        logits = original()(**given).logits
    for row, case in enumerate(cases):
        expected = recorded(case, "expected.logits")[0]
        assert apart(logits[row, -len(expected) :], expected) < CLOSE
    written = original().generate(**given, max_new_tokens=10, do_sample=False)[:, longest:]
    assert written.tolist() == [recorded(c, "expected.generated_ids")[0].tolist() for c in cases]


def test_a_video_with_fewer_frames_reads_no_padding() -> None:
    ids = recorded("video_uneven_frames", "input_ids")
    short = torch.tensor([expanded(ids[1].tolist(), frames=2)])
    with torch.no_grad():
        logits = original()(short, tensors("expected")["pixel_values"][2:4]).logits
    expected = recorded("video_uneven_frames", "expected.logits")[1:, : short.shape[1]]
    assert apart(logits, expected) < CLOSE


def test_epsilons_of_all_norms() -> None:
    expected, model = tensors("expected"), original().model
    with torch.no_grad():
        projected = model.visual_abstractor(expected["eps.abstractor.encoder_hidden_states"])
        assert apart(projected, expected["eps.abstractor.expected.last_hidden_state"]) < CLOSE
        states = model.vision_model.encoder(expected["eps.vision_encoder.inputs_embeds"])[0]
        seen = model.vision_model.post_layernorm(states * 1e-3)
        assert apart(seen, expected["eps.vision_encoder.expected.last_hidden_state"]) < CLOSE
        normed = model.visual_abstractor.encoder.layers[0].crossattention.output.mlp.ffn_ln(
            expected["eps.ffn_ln.input"]
        )
        assert apart(normed, expected["eps.ffn_ln.expected"]) < CLOSE
        logits = original()(
            inputs_embeds=expected["eps.llm.inputs_embeds"],
            mm_token_type_ids=expected["eps.llm.modality_indicators"],
        ).logits
    assert apart(logits, expected["eps.llm.expected.logits"]) < CLOSE


def test_attention_maps_and_the_gradient_to_the_pixels() -> None:
    expected, model = tensors("interpretability"), original("eager")
    maps: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _, args, out: maps.update({name: out[1].detach()})

    layers = model.model.visual_abstractor.encoder.layers
    hooks = [
        layer.crossattention.attention.register_forward_hook(keep(f"abstractor.attention{i}"))
        for i, layer in enumerate(layers)
    ]
    pixels = tensors("expected")["pixel_values"][:1].clone().requires_grad_()
    ids = torch.tensor([expanded(expected["input_ids"][0].tolist())])
    seen = model.get_image_features(pixels, output_attentions=True)
    out = model(ids, mm_encoder_outputs={"image": seen}, output_attentions=True)
    for hook in hooks:
        hook.remove()
    maps |= {f"vision.attention{i}": weights for i, weights in enumerate(seen.attentions)}
    maps |= {f"llm.attention{i}": weights for i, weights in enumerate(out.attentions)}
    for name, weights in maps.items():
        assert apart(weights, expected[name]) < 1e-5, name
    assert len(maps) == 6
    levels = list(facts("cases")["level_ids"].values())
    score = out.logits[0, -1, levels].softmax(-1) @ torch.tensor([1, 0.75, 0.5, 0.25, 0])
    score.backward()
    assert abs(float(score.detach()) - float(expected["score"])) < 1e-5
    assert pixels.grad is not None
    assert apart(pixels.grad, expected["d_score_d_pixel_values"]) < 1e-5


def test_position_tables() -> None:
    weights = load_file(MODEL / "model.safetensors")
    name = "model.visual_abstractor.encoder.layers.1.crossattention.attention.{}_pos_embed"
    assert apart(query_positions(8, 48), weights[name.format("q")]) < 1e-6
    assert apart(grid_positions(4, 48), weights[name.format("k")]) < 1e-6


def test_the_full_size_model_has_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(MPLUGOwl2Config())
    assert {name: list(value.shape) for name, value in model.state_dict().items()} == facts("state_dict_7b")[
        "keys"
    ]
    assert sum(p.numel() for p in model.parameters()) == facts("state_dict_7b")["parameters"]
    assert model.config.visual_config.visual_model.image_size == 448 != SIDE


def test_a_route_puts_every_position_back() -> None:
    image = tensors("expected")["case.batch_uneven_images.expected.modality_indicators"].bool()
    route = Route.of(image)
    order = torch.cat([route.text, route.image])[route.back]
    assert order.tolist() == list(range(image.numel()))
