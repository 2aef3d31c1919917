"""The published ``config.json``: Llama's fields at the top, vision encoder and abstractor nested.

Files are read and written in the original layout: the two parts below ``visual_config``.
"""

from __future__ import annotations

from typing import Any

from transformers import LlamaConfig, PreTrainedConfig

from eyechart.errors import EyechartError


class MPLUGOwl2VisionConfig(PreTrainedConfig):  # type: ignore[misc]
    """The vision encoder (``visual_config.visual_model``); the defaults are the published sizes."""

    model_type = "mplug_owl_vision_model"
    base_config_key = "visual_model"

    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    num_channels: int = 3
    image_size: int = 448
    patch_size: int = 14
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-6
    attention_dropout: float = 0.0
    initializer_range: float = 0.02

    @property
    def grid_side(self) -> int:
        """Return the number of patches along one side of the image."""
        return self.image_size // self.patch_size


class MPLUGOwl2AbstractorConfig(PreTrainedConfig):  # type: ignore[misc]
    """The visual abstractor (``visual_config.visual_abstractor``); the defaults are the published sizes."""

    model_type = "mplug_owl_visual_abstract"
    base_config_key = "visual_abstractor"

    num_learnable_queries: int = 64
    hidden_size: int = 1024
    encoder_hidden_size: int = 1024
    intermediate_size: int = 2816
    num_hidden_layers: int = 6
    num_attention_heads: int = 16
    layer_norm_eps: float = 1e-6
    attention_probs_dropout_prob: float = 0.0
    initializer_range: float = 0.02
    grid_size: int = 32


class MPLUGOwl2VisualConfig(PreTrainedConfig):  # type: ignore[misc]
    """The two visual parts (``visual_config``)."""

    model_type = "mplug_owl2_visual"
    base_config_key = "visual_config"
    sub_configs_defaults = {  # noqa: RUF012 (transformers' own name, resolved when the class is made)
        "visual_model": MPLUGOwl2VisionConfig,
        "visual_abstractor": MPLUGOwl2AbstractorConfig,
    }

    visual_model: Any = None  # a configuration or its dict
    visual_abstractor: Any = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        vision, abstractor = self.visual_model, self.visual_abstractor
        if abstractor.grid_size is None:
            abstractor.grid_size = 32  # null in some files; what the original code assumes
        if not abstractor.hidden_size == abstractor.encoder_hidden_size == vision.hidden_size:
            raise EyechartError(
                "the abstractor's queries and the vision states have different widths "
                f"({abstractor.hidden_size}, {abstractor.encoder_hidden_size}, {vision.hidden_size})",
                "they are concatenated, so every hidden_size in visual_config must be the same",
            )
        if abstractor.grid_size != vision.grid_side:
            raise EyechartError(
                f"the abstractor's grid has {abstractor.grid_size} patches a side, the vision encoder's "
                f"{vision.grid_side} ({vision.image_size} px in patches of {vision.patch_size})",
                "set visual_config.visual_abstractor.grid_size to image_size / patch_size",
            )
        if getattr(abstractor, "add_v2t_pos_emb", False) or not getattr(abstractor, "use_cls_token", True):
            raise EyechartError(
                "this configuration is of mPLUG-Owl2.1 (Qwen), which is not supported",
                "use a checkpoint built on Llama 2: MAGAer13/mplug-owl2-llama2-7b, Q-Instruct or one-align",
            )


class MPLUGOwl2Config(LlamaConfig):  # type: ignore[misc]
    """The whole model.

    Args:
        visual_config: vision encoder and abstractor.
        image_token_id: the id that stands at image positions in ``input_ids``. Published checkpoints have no
            such token; ``<unk>`` (0) never comes out of Llama's tokenizer, which falls back to bytes.
        image_aspect_ratio: how training made images square: ``pad`` for all published checkpoints.
    """

    model_type = "mplug_owl2"
    sub_configs_defaults = {"visual_config": MPLUGOwl2VisualConfig}  # noqa: RUF012

    visual_config: Any = None  # a configuration or its dict
    image_token_id: int = 0
    image_aspect_ratio: str | None = None

    @property
    def image_positions(self) -> int:
        """Return how many positions one image takes: the queries and the end-of-image vector."""
        return int(self.visual_config.visual_abstractor.num_learnable_queries) + 1
