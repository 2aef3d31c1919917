"""The modality-adaptive language model: Llama-2 layers in which image positions have weights of their own.

mPLUG-Owl2 (arXiv 2311.04257), Modality-Adaptive Module: in every layer the two norms and the key and
value projections exist once for text and once for images; a position takes one of them. Queries, the output
projection, the MLP, the embeddings and the last norm are shared. Everything else is transformers' Llama.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import LlamaConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaDecoderLayer,
    LlamaRMSNorm,
    apply_rotary_pos_emb,
    eager_attention_forward,
)

TEXT, IMAGE = 0, 1  # which of the two ways


class Route(NamedTuple):
    """Which positions are text and which are image, as indices into the flattened batch.

    Attributes:
        text: indices of the text positions.
        image: indices of the image positions.
        back: where each position stands in (text, image), to put the results back in order.
    """

    text: torch.Tensor
    image: torch.Tensor
    back: torch.Tensor

    @classmethod
    def of(cls, image: torch.Tensor) -> Route:
        """Return the route of a boolean mask [batch, length], true at image positions."""
        flat = image.flatten()
        text, images = (~flat).nonzero()[:, 0], flat.nonzero()[:, 0]
        return cls(text, images, torch.cat([text, images]).argsort())


class TwoWay(nn.Module):
    """A module that exists twice, for text (``multiway.0``) and for image positions (``multiway.1``)."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.multiway = nn.ModuleList([make(), make()])

    def forward(self, states: torch.Tensor, route: Route | None) -> torch.Tensor:
        """Send every position through its way; without a route all are text.

        Args:
            states: [batch, length, width].
            route: of the same batch and length.
        """
        if route is None:
            text_only: torch.Tensor = self.multiway[TEXT](states)
            return text_only
        flat = states.flatten(0, 1)
        ways = self.multiway[TEXT](flat[route.text]), self.multiway[IMAGE](flat[route.image])
        return torch.cat(ways)[route.back].view(*states.shape[:2], -1)


class MPLUGOwl2Attention(LlamaAttention):  # type: ignore[misc]
    """Llama's causal attention over text and image alike; keys and values come from two ways."""

    def __init__(self, config: LlamaConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        width, bias = config.num_key_value_heads * self.head_dim, config.attention_bias
        self.k_proj = TwoWay(lambda: nn.Linear(config.hidden_size, width, bias=bias))
        self.v_proj = TwoWay(lambda: nn.Linear(config.hidden_size, width, bias=bias))

    def forward(
        self,
        states: torch.Tensor,
        route: Route | None,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        attention_mask: torch.Tensor | None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the attended states [batch, length, width] and, if eager, the weights."""
        projected = self.q_proj(states), self.k_proj(states, route), self.v_proj(states, route)
        query, key, value = (p.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for p in projected)
        query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        dropout = self.attention_dropout if self.training else 0.0
        attended, weights = attention(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(attended.flatten(2)), weights


class MPLUGOwl2DecoderLayer(LlamaDecoderLayer):  # type: ignore[misc]
    """A Llama layer whose norms, keys and values have two ways."""

    def __init__(self, config: LlamaConfig, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.self_attn = MPLUGOwl2Attention(config, layer_idx)
        self.input_layernorm = TwoWay(lambda: LlamaRMSNorm(config.hidden_size, config.rms_norm_eps))
        self.post_attention_layernorm = TwoWay(lambda: LlamaRMSNorm(config.hidden_size, config.rms_norm_eps))

    def forward(self, hidden_states: torch.Tensor, route: Route | None = None, **kwargs: Any) -> torch.Tensor:
        """Return the states after this layer; the other arguments are those of Llama's layer."""
        normed = self.input_layernorm(hidden_states, route)
        states = hidden_states + self.self_attn(normed, route, **kwargs)[0]
        result: torch.Tensor = states + self.mlp(self.post_attention_layernorm(states, route))
        return result
