"""The partition into components, on every family that transformers can build from its defaults."""

from __future__ import annotations

from typing import Any

import pytest

from eyechart.errors import EyechartError
from eyechart.subjects.components import COMPONENTS, components, families, groups, projector_of, tied

torch = pytest.importorskip("torch")

# Where two of a family's parts must lie, by the names in its own code: (projector, language).
PLACES = {
    "llava": ("model.multi_modal_projector.linear_1.weight", "lm_head.weight"),
    "llava_next": ("model.image_newline", "lm_head.weight"),
    "qwen2_vl": ("model.visual.merger.mlp.0.weight", "lm_head.weight"),
    "qwen2_5_vl": ("model.visual.merger.mlp.0.weight", "lm_head.weight"),
    "qwen3_vl": ("model.visual.deepstack_merger_list.0.norm.weight", "lm_head.weight"),
    "glm4v": ("model.visual.downsample.weight", "lm_head.weight"),
    "smolvlm": ("model.connector.modality_projection.proj.weight", "lm_head.weight"),
    "mllama": ("model.multi_modal_projector.weight", "lm_head.weight"),
    "blip-2": ("query_tokens", "language_model.model.decoder.embed_tokens.weight"),
    "instructblip": (
        "qformer.embeddings.layernorm.weight",
        "language_model.model.decoder.embed_tokens.weight",
    ),
    "ovis2": ("model.vision_tower.head_linear.weight", "model.language_model.embed_tokens.weight"),
    "llama4": ("vision_model.vision_adapter.mlp.fc1.weight", "language_model.lm_head.weight"),
    "janus": ("model.aligner.fc1.weight", "lm_head.weight"),
}


def build(model_type: str) -> Any:
    """Return a model of full size without weights, from its default configuration."""
    from transformers import CONFIG_MAPPING, AutoModelForImageTextToText

    import eyechart.models  # noqa: F401 (registers what transformers lacks)

    if model_type not in CONFIG_MAPPING:
        pytest.skip(f"this transformers has no {model_type}")
    try:
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(CONFIG_MAPPING[model_type]())
    except (ImportError, ValueError, AttributeError, TypeError, KeyError) as error:
        pytest.skip(f"its default configuration does not build: {error}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", sorted(families()))
def test_every_parameter_has_one_component(model_type: str) -> None:
    model = build(model_type)
    parts = components(model)
    names = [name for parameters in parts.values() for name in parameters]
    assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    assert all(parts[component] for component in COMPONENTS)
    embedding = id(model.get_input_embeddings().weight)
    assert embedding in {id(p) for p in parts["language"].values()}
    assert {id(p) for p in parts["vision"].values()} <= {
        id(p) for p in model.get_encoder(modality="image").parameters()
    }
    if model_type in PLACES:
        projector, language = PLACES[model_type]
        assert projector in parts["projector"]
        tied_names = next((found for found in tied(model) if language in found), (language,))
        assert set(tied_names) & set(parts["language"])


@pytest.mark.filterwarnings("ignore")
def test_cross_attention_is_a_group_that_a_user_may_assign() -> None:
    model = build("mllama")
    found = groups(model)["cross_attention"]
    assert found
    assert set(found) <= set(components(model)["language"])
    moved = components(model, {"cross_attention": "projector"})
    assert set(found) <= set(moved["projector"])
    assert not set(found) & set(moved["language"])
    with pytest.raises(EyechartError, match="cross_attention"):
        components(model, {"cross": "projector"})
    with pytest.raises(EyechartError, match="vision, projector, language"):
        components(model, {"cross_attention": "eyes"})


@pytest.mark.filterwarnings("ignore")
def test_tied_heads_are_named() -> None:
    assert any("lm_head.weight" in names for names in tied(build("internvl")))
    assert tied(build("llava")) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model_type", ["fuyu", "git", "pix2struct", "gemma4"])
def test_a_model_without_a_vision_encoder_of_its_own_is_told(model_type: str) -> None:
    with pytest.raises(EyechartError, match="no vision encoder"):
        components(build(model_type))


@pytest.mark.filterwarnings("ignore")
def test_the_projector_is_a_module_or_is_said_not_to_be() -> None:
    assert type(projector_of(build("internvl"))).__name__ == "InternVLMultiModalProjector"
    assert type(projector_of(build("llava_next"))).__name__ == "LlavaNextMultiModalProjector"
    assert type(projector_of(build("qwen2_vl"))).__name__ == "PatchMerger"
    with pytest.raises(EyechartError, match="not one module"):
        projector_of(build("glm4v"))
