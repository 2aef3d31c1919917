"""The visual abstractor (the projector): 64 learned queries read the image by cross-attention.

mPLUG-Owl2 (arXiv 2311.04257), Model Architecture, the visual abstractor: attention of the queries over image
and queries, then SwiGLU. Two things the paper leaves out and the published weights need: the residual starts
from the *normed* queries, and an end-of-image vector follows the projected queries. Where a norm's epsilon is
not the configured one, the weights were trained so.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import initialization as init
from transformers.modeling_utils import PreTrainedModel

from eyechart.models.mplug_owl2.attention import FullAttention
from eyechart.models.mplug_owl2.configuration import MPLUGOwl2AbstractorConfig

NORM_EPSILON = 1e-5  # of norm1, normk and norm2, whatever the configuration says


class AbstractorAttention(FullAttention):
    """Cross-attention with fixed sine-cosine positions added to queries and keys, not to values."""

    q_pos_embed: torch.Tensor
    k_pos_embed: torch.Tensor

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__(config, config.attention_probs_dropout_prob)
        width, keys = config.hidden_size, config.grid_size**2 + 1
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.register_buffer("q_pos_embed", torch.empty(config.num_learnable_queries, width))
        self.register_buffer("k_pos_embed", torch.empty(keys, width))

    def forward(
        self, queries: torch.Tensor, memory: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attend from the queries to queries and image.

        Args:
            queries: normed, [images, queries, width].
            memory: the same queries followed by the normed vision states.

        Returns:
            The attended values [images, queries, width] and, if eager, the weights.
        """
        at_queries = self.q_pos_embed.to(queries.dtype)
        at_memory = torch.cat([at_queries, self.k_pos_embed.to(queries.dtype)])
        query, key = self.query(queries + at_queries), self.key(memory + at_memory)
        return self.attend(self.split(query), self.split(key), self.split(self.value(memory)))


class AbstractorMLP(nn.Module):
    """SwiGLU with a norm before the last projection."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.w2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.w3 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.ffn_ln = nn.LayerNorm(config.intermediate_size, eps=config.layer_norm_eps)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Return a tensor of the same shape."""
        result: torch.Tensor = self.w2(self.ffn_ln(F.silu(self.w1(states)) * self.w3(states)))
        return result


class AbstractorOutput(nn.Module):
    """What follows attention in a layer: the output projection, its residual, norm and MLP."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=NORM_EPSILON)
        self.mlp = AbstractorMLP(config)

    def forward(self, queries: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Return the queries after this layer."""
        states = queries + self.out_proj(attended)
        result: torch.Tensor = states + self.mlp(self.norm2(states))
        return result


class CrossAttention(nn.Module):
    """One layer's content (``crossattention`` in the checkpoint)."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.attention = AbstractorAttention(config)
        self.output = AbstractorOutput(config)
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=NORM_EPSILON)
        self.normk = nn.LayerNorm(config.encoder_hidden_size, eps=NORM_EPSILON)

    def forward(self, queries: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return the queries after this layer; ``image`` is the same at every layer."""
        queries = self.norm1(queries)
        memory = torch.cat([queries, self.normk(image)], dim=1)
        result: torch.Tensor = self.output(queries, self.attention(queries, memory)[0])
        return result


class AbstractorLayer(nn.Module):
    """One layer."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.crossattention = CrossAttention(config)

    def forward(self, queries: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return the queries after this layer."""
        result: torch.Tensor = self.crossattention(queries, image)
        return result


class AbstractorEncoder(nn.Module):
    """The layers in order."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList([AbstractorLayer(config) for _ in range(config.num_hidden_layers)])

    def forward(self, queries: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return the queries after the last layer."""
        for layer in self.layers:
            queries = layer(queries, image)
        return queries


class MPLUGOwl2VisualAbstractor(PreTrainedModel):  # type: ignore[misc]
    """The projector: what the vision encoder gives, as a fixed number of vectors of the language model."""

    config_class = MPLUGOwl2AbstractorConfig
    base_model_prefix = "visual_abstractor"
    _no_split_modules = ["AbstractorLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: MPLUGOwl2AbstractorConfig, language_width: int) -> None:
        super().__init__(config)
        self.query_embeds = nn.Parameter(torch.empty(1, config.num_learnable_queries, config.hidden_size))
        self.vit_eos = nn.Parameter(torch.empty(1, 1, language_width))
        self.encoder = AbstractorEncoder(config)
        self.visual_fc = nn.Linear(config.hidden_size, language_width)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        config = self.config
        if module is self:
            init.normal_(self.query_embeds, std=config.initializer_range)
            init.normal_(self.vit_eos, std=config.initializer_range)
        elif isinstance(module, AbstractorAttention):
            # Not learned, and missing from the published base checkpoint.
            queries = query_positions(config.num_learnable_queries, config.hidden_size)
            init.copy_(module.q_pos_embed, queries)
            init.copy_(module.k_pos_embed, grid_positions(config.grid_size, config.hidden_size))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return [images, queries + 1, language width], the end-of-image vector last.

        Args:
            image: the vision encoder's last hidden state, [images, 1 + patches, width].
        """
        queries = self.query_embeds.expand(len(image), -1, -1)
        projected = self.visual_fc(self.encoder(queries, image))
        return torch.cat([projected, self.vit_eos.to(projected.dtype).expand(len(image), -1, -1)], dim=1)


def query_positions(count: int, width: int) -> torch.Tensor:
    """Return the table of positions 0 to ``count`` - 1: all sines, then all cosines; float32 [count, width].

    Frequencies are 10000^(-i / (width / 2)) (Vaswani et al., Attention Is All You Need, section 3.5).
    Computed in float32, as the original was; float64 would differ by up to 7e-6.
    """
    frequencies = 1.0 / 10000 ** (torch.arange(width // 2, dtype=torch.float32) / (width / 2))
    angles = torch.outer(torch.arange(count, dtype=torch.float32), frequencies)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def grid_positions(side: int, width: int) -> torch.Tensor:
    """Return the table of the image's positions, float32 [1 + side^2, width].

    The class position is zero. A patch has its column in the first half of the channels, its row in the
    second.
    """
    axis = query_positions(side, width // 2)
    columns = axis.repeat(side, 1)
    rows = axis.repeat_interleave(side, 0)
    return torch.cat([torch.zeros(1, width), torch.cat([columns, rows], dim=1)])
