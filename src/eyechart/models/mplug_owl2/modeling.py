"""mPLUG-Owl2 as a transformers image-text-to-text model.

Image positions carry ``config.image_token_id`` in ``input_ids``; their embeddings are replaced by the
abstractor's output. Which positions are image decides the weights that they meet (see ``language``):

- ``mm_token_type_ids`` (1 = image, 0 = text) says it, if given; the processor gives it;
- else ``input_ids`` say it; what follows a cache is text unless images come with it;
- ``inputs_embeds`` at the beginning of a sequence cannot say it, so they need ``mm_token_type_ids``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling
from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaModel, LlamaPreTrainedModel
from transformers.utils.generic import can_return_tuple

from eyechart.errors import EyechartError
from eyechart.models.mplug_owl2.abstractor import MPLUGOwl2VisualAbstractor
from eyechart.models.mplug_owl2.configuration import MPLUGOwl2Config
from eyechart.models.mplug_owl2.language import MPLUGOwl2Attention, MPLUGOwl2DecoderLayer, Route
from eyechart.models.mplug_owl2.vision import MPLUGOwl2VisionModel


class MPLUGOwl2PreTrainedModel(LlamaPreTrainedModel):  # type: ignore[misc]
    """What loading, saving and initialising need to know."""

    config_class = MPLUGOwl2Config
    input_modalities = ("image", "text")
    _no_split_modules = ["MPLUGOwl2DecoderLayer", "VisionLayer", "AbstractorLayer"]  # noqa: RUF012
    _can_compile_fullgraph = False  # the number of image positions is data
    _can_record_outputs = {  # noqa: RUF012
        "hidden_states": MPLUGOwl2DecoderLayer,
        "attentions": MPLUGOwl2Attention,
    }
    # Checkpoints saved by old versions of transformers hold the first; some lack the second, which is fixed.
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq"]  # noqa: RUF012
    _keys_to_ignore_on_load_missing = [r"\.[qk]_pos_embed"]  # noqa: RUF012


class MPLUGOwl2Model(MPLUGOwl2PreTrainedModel, LlamaModel):  # type: ignore[misc]
    """The modality-adaptive language model without its head: what ``get_decoder()`` returns.

    The vision encoder and the abstractor lie inside because the checkpoint's names say so; ``forward`` is the
    language model's alone, and ``get_image_features`` is theirs.
    """

    def __init__(self, config: MPLUGOwl2Config) -> None:
        super().__init__(config)
        layers = range(config.num_hidden_layers)
        self.layers = nn.ModuleList([MPLUGOwl2DecoderLayer(config, layer) for layer in layers])
        visual = config.visual_config
        self.vision_model = MPLUGOwl2VisionModel(visual.visual_model)
        self.visual_abstractor = MPLUGOwl2VisualAbstractor(visual.visual_abstractor, config.hidden_size)
        self.post_init()

    @can_return_tuple  # type: ignore[untyped-decorator]
    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Return what the language model receives of images, as ``pooler_output``.

        Args:
            pixel_values: normalised pixels, [images, 3, side, side].
            kwargs: for the vision encoder (``output_hidden_states``, ``output_attentions``).

        Returns:
            ``pooler_output`` [images, queries + 1, language width]; ``last_hidden_state``,
            ``hidden_states`` and ``attentions`` of the vision encoder.
        """
        seen = self.vision_model(pixel_values, **kwargs)
        return BaseModelOutputWithPooling(
            last_hidden_state=seen.last_hidden_state,
            pooler_output=self.visual_abstractor(seen.last_hidden_state),
            hidden_states=seen.hidden_states,
            attentions=seen.attentions,
        )

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        mm_token_type_ids: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Return the states after the last norm, [batch, length, width].

        Args:
            input_ids: tokens of text alone; or ``inputs_embeds`` with images among them.
            mm_token_type_ids: 1 at image positions, 0 elsewhere, [batch, length]; without it all are text.
            kwargs: as in Llama.
        """
        image = None if mm_token_type_ids is None else mm_token_type_ids == 1
        route = Route.of(image) if image is not None and image.any() else None
        return super().forward(input_ids=input_ids, route=route, **kwargs)


class MPLUGOwl2LlamaForCausalLM(MPLUGOwl2PreTrainedModel, LlamaForCausalLM):  # type: ignore[misc]
    """The whole model, under the name that published ``config.json`` files give.

    Its parts by name: ``model.vision_model`` (vision encoder), ``model.visual_abstractor`` (projector), all
    else (language model). Within the language model, ``*.multiway.1.*`` are the weights for image positions.
    """

    embeddings_need_types = True  # inputs_embeds need mm_token_type_ids beside them

    def __init__(self, config: MPLUGOwl2Config) -> None:
        super().__init__(config)
        self.model = MPLUGOwl2Model(config)
        self.post_init()

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Return what the language model receives of images (see the model without head)."""
        return self.model.get_image_features(pixel_values, **kwargs)

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_token_type_ids: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return logits [batch, length, vocabulary], the cache, and the loss if there are labels.

        Args:
            input_ids: tokens [batch, length] with ``config.image_token_id`` at image positions.
            pixel_values: the images in order over the batch, [images, 3, side, side].
            attention_mask: 1 at positions that are not padding, on either side.
            position_ids: as in Llama.
            past_key_values: as in Llama.
            inputs_embeds: instead of ``input_ids``; then ``mm_token_type_ids`` is needed.
            labels: the next token's ids; -100, and every image position, do not count.
            use_cache: as in Llama.
            logits_to_keep: as in Llama.
            mm_token_type_ids: 1 at image positions, 0 elsewhere.
            mm_encoder_outputs: images already encoded by ``get_image_features``, under the key "image".

        Raises:
            EyechartError: the images do not fill the image positions, or embeddings came without a word on
                which of them are image.
        """
        features = (mm_encoder_outputs or {}).get("image")
        if features is None and pixel_values is not None:
            features = self.get_image_features(pixel_values, return_dict=True)
        begun = past_key_values is not None and past_key_values.get_seq_length() > 0
        if mm_token_type_ids is None and (features is not None or not begun):
            mm_token_type_ids = self._types(input_ids)
        image = None if mm_token_type_ids is None else mm_token_type_ids == 1
        if inputs_embeds is None:
            embedded = self.get_input_embeddings()(input_ids)
            inputs_embeds = self._spliced(embedded, image, features)
        elif features is not None:
            inputs_embeds = self._spliced(inputs_embeds, image, features)
        if labels is not None and image is not None:
            labels = labels.masked_fill(image, -100)
        return super().forward(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            labels=labels,
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            mm_token_type_ids=mm_token_type_ids,
            **kwargs,
        )

    def _types(self, input_ids: torch.Tensor | None) -> torch.Tensor:
        """Return 1 at the tokens that stand for an image, 0 elsewhere."""
        if input_ids is None:
            raise EyechartError(
                "inputs_embeds alone do not say which positions are image",
                "pass mm_token_type_ids beside them: 1 at image positions, 0 elsewhere",
            )
        types: torch.Tensor = (input_ids == self.config.image_token_id).long()
        return types

    def _spliced(
        self, embedded: torch.Tensor, image: torch.Tensor | None, features: BaseModelOutputWithPooling | None
    ) -> torch.Tensor:
        """Put the images' vectors, in order over the batch, where the image positions are."""
        places = 0 if image is None else int(image.sum())
        vectors = None if features is None else features.pooler_output.flatten(0, 1)
        found = 0 if vectors is None else len(vectors)
        if places != found:
            each = self.config.image_positions
            raise EyechartError(
                f"the tokens have {places} image positions, the images fill {found} ({each} an image)",
                "pass one image a placeholder, and pad with a token other than image_token_id",
            )
        if vectors is None or image is None:
            return embedded
        whole: torch.Tensor = embedded.masked_scatter(image[..., None], vectors.to(embedded))
        return whole
