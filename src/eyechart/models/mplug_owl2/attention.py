"""Attention of the two visual parts: every query sees every key."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.clip.modeling_clip import eager_attention_forward


class FullAttention(nn.Module):
    """Scaled dot-product attention without a mask, computed by transformers' chosen implementation.

    Subclasses hold the projections under the names of the checkpoint.
    """

    is_causal = False  # SDPA would otherwise run it causally

    def __init__(self, config: Any, dropout: float) -> None:
        super().__init__()
        self.config = config
        self.dropout = dropout
        self.heads = config.num_attention_heads
        self.scaling = (config.hidden_size // self.heads) ** -0.5

    def split(self, states: torch.Tensor) -> torch.Tensor:
        """Split [batch, tokens, width] into heads: [batch, heads, tokens, width / heads]."""
        heads: torch.Tensor = states.view(*states.shape[:-1], self.heads, -1).transpose(1, 2)
        return heads

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the attended values [batch, tokens, width] and, if eager, the weights.

        Args:
            query: [batch, heads, tokens, width / heads].
            key: the same with the keys' number of tokens.
            value: as the key.
        """
        attention = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        dropout = self.dropout if self.training else 0.0
        attended, weights = attention(self, query, key, value, None, scaling=self.scaling, dropout=dropout)
        return attended.flatten(2), weights
