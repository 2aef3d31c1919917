"""mPLUG-Owl2, and the quality models built on it: Q-Instruct, Q-Align and OneAlign.

Native on current transformers: published checkpoints load by their own key names, without remote code.

    configuration   the published ``config.json`` and its two nested parts
    vision          CLIP ViT-L/14 in the layout of these checkpoints
    abstractor      64 learned queries read the image: the projector
    language        Llama-2 layers with separate weights for text and image positions
    modeling        the three together, and generation
    images          square, resize, crop: three published ways
    tokenizer       Llama's, from a SentencePiece file alone
    processing      text with image placeholders to token ids
    presets         prompts, preprocessing and level words of the quality models
    scoring         a quality score from the logits of level words

Paper: Ye et al., mPLUG-Owl2: Revolutionizing Multi-modal Large Language Model with Modality Collaboration,
arXiv 2311.04257. Code: https://github.com/X-PLUG/mPLUG-Owl (folder mPLUG-Owl2).
"""

from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

from eyechart.models.mplug_owl2.configuration import MPLUGOwl2Config
from eyechart.models.mplug_owl2.images import MPLUGOwl2ImageProcessor
from eyechart.models.mplug_owl2.modeling import MPLUGOwl2LlamaForCausalLM
from eyechart.models.mplug_owl2.processing import MPLUGOwl2Processor

AutoConfig.register(MPLUGOwl2Config.model_type, MPLUGOwl2Config)
AutoModelForImageTextToText.register(MPLUGOwl2Config, MPLUGOwl2LlamaForCausalLM)
AutoImageProcessor.register(MPLUGOwl2Config, image_processor_classes={"pil": MPLUGOwl2ImageProcessor})
AutoProcessor.register(MPLUGOwl2Config, MPLUGOwl2Processor)

__all__ = ["MPLUGOwl2Config", "MPLUGOwl2ImageProcessor", "MPLUGOwl2LlamaForCausalLM", "MPLUGOwl2Processor"]
