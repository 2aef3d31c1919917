"""The vision encoder: CLIP ViT-L/14 at 448 px, in the layout of mPLUG-Owl2's checkpoints.

It differs from transformers' CLIP in names, in one fused projection a layer, in the norm's epsilon, and in
what goes on: all positions after the last norm, the class position first. Architecture: Radford et al.,
Learning Transferable Visual Models From Natural Language Supervision, arXiv 2103.00020.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.models.clip.modeling_clip import CLIPMLP

from eyechart.errors import EyechartError
from eyechart.models.mplug_owl2.attention import FullAttention
from eyechart.models.mplug_owl2.configuration import MPLUGOwl2VisionConfig


class VisionEmbeddings(nn.Module):
    """Patches row by row behind a class token, plus learned positions, normed."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.hidden_size))
        self.position_embedding = nn.Parameter(torch.empty(1, config.grid_side**2 + 1, config.hidden_size))
        self.patch_embed = nn.Conv2d(
            config.num_channels, config.hidden_size, config.patch_size, config.patch_size, bias=False
        )
        self.pre_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return [images, 1 + patches, width] for normalised pixels [images, 3, side, side].

        Raises:
            EyechartError: the pixels have another shape.
        """
        expected = (self.patch_embed.in_channels, self.image_size, self.image_size)
        if tuple(pixel_values.shape[1:]) != expected:
            raise EyechartError(
                f"pixel_values have the shape {list(pixel_values.shape)}, the vision encoder expects "
                f"{['images', *expected]}",
                "prepare images with the model's own processor",
            )
        patches = self.patch_embed(pixel_values.to(self.patch_embed.weight.dtype)).flatten(2).transpose(1, 2)
        states = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        normed: torch.Tensor = self.pre_layernorm(states + self.position_embedding)
        return normed


class VisionAttention(FullAttention):
    """Self-attention whose fused projection is ordered head by head, and within a head q, k, v."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__(config, config.attention_dropout)
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the attended states [images, tokens, width] and, if eager, the weights."""
        fused = self.query_key_value(states).unflatten(-1, (self.heads, 3, -1))
        query, key, value = fused.permute(3, 0, 2, 1, 4)
        attended, weights = self.attend(query, key, value)
        return self.dense(attended), weights


class VisionLayer(GradientCheckpointingLayer):  # type: ignore[misc]
    """A pre-norm transformer layer."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.self_attn = VisionAttention(config)
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = CLIPMLP(config)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the states after this layer, [images, tokens, width], and, if eager, attention weights."""
        attended, weights = self.self_attn(self.input_layernorm(states))
        states = states + attended
        return states + self.mlp(self.post_attention_layernorm(states)), weights


class VisionEncoder(nn.Module):
    """The layers in order; the module exists for the checkpoint's names (``encoder.layers.N``)."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList([VisionLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(
        self, states: torch.Tensor, output_hidden_states: bool = False, output_attentions: bool = False
    ) -> BaseModelOutput:
        """Return the states after the last layer, before the last norm; see the vision encoder."""
        kept, attentions = [states], []
        for layer in self.layers:
            states, weights = layer(states)
            if output_hidden_states:
                kept.append(states)
            if output_attentions:
                attentions.append(weights)
        return BaseModelOutput(
            last_hidden_state=states,
            hidden_states=tuple(kept) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None,
        )


class MPLUGOwl2VisionModel(PreTrainedModel):  # type: ignore[misc]
    """The vision encoder."""

    config_class = MPLUGOwl2VisionConfig
    base_model_prefix = "vision_model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["VisionLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__(config)
        self.embeddings = VisionEmbeddings(config)
        self.encoder = VisionEncoder(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the module that turns pixels into patches."""
        return self.embeddings.patch_embed

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VisionEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.normal_(module.position_embedding, std=self.config.initializer_range)

    def forward(
        self,
        pixel_values: torch.Tensor,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        **kwargs: Any,
    ) -> BaseModelOutput:
        """Return ``last_hidden_state`` [images, 1 + patches, width], the class position first.

        Args:
            pixel_values: normalised pixels, [images, 3, side, side].
            output_hidden_states: also return the embeddings and each layer's output, before the last norm.
            output_attentions: also return each layer's attention weights (eager attention only).
            kwargs: not for this part.
        """
        seen = self.encoder(self.embeddings(pixel_values), output_hidden_states, output_attentions)
        seen.last_hidden_state = self.post_layernorm(seen.last_hidden_state)
        return seen
