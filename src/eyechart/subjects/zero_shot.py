"""A baseline that compares each picture with sentences: CLIP, SigLIP and their like, zero-shot.

Radford et al., arXiv 2103.00020, section 3.1.4: a label is the mean of its sentences' normed embeddings,
normed again; the label whose mean has the highest cosine with the picture's embedding is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.subjects.capabilities import ZERO_SHOT, ZERO_SHOT_MARK
from eyechart.subjects.model import Pixels
from eyechart.subjects.options import LoadOptions
from eyechart.subjects.subject import Subject

if TYPE_CHECKING:
    import torch

_DEFAULT = LoadOptions()


class ZeroShot(Subject):
    """A model that embeds pictures and texts in one space.

    Args:
        name: what reports call it.
        model: a transformers model for zero-shot image classification.
        processor: its processor.
    """

    capabilities = ZERO_SHOT

    def __init__(self, name: str, model: Any, processor: Any) -> None:
        self.name = name
        self.model = model.eval()
        self.processor = processor
        # As transformers' own pipeline: SigLIP was trained on texts of one length, each pair by itself.
        self.sigmoid = "siglip" in model.config.model_type

    def pixel_values(self, images: Sequence[Pixels]) -> torch.Tensor:
        """Return the images as the vision encoder receives them, [n, 3, height, width] in float32."""
        seen = self.processor.image_processor(images=list(images), return_tensors="pt")
        values: torch.Tensor = seen["pixel_values"]
        return values.to(self.model.device)

    def choose(self, images: Sequence[Pixels], question: str, answers: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-likelihood of each label; its sentences take the place of a question."""
        from eyechart.templates.sentences import sentences

        return self.log_likelihoods(images, sentences(answers))

    def log_likelihoods(
        self, images: Sequence[Pixels], texts: Sequence[Sequence[str]], batch: int = 32
    ) -> NDArray[np.float64]:
        """Return the log-likelihood of each label for each image, float64 [n, labels].

        A softmax over the labels; for SigLIP the sigmoid of each, so that they need not add up to one.

        Args:
            images: uint8 HWC RGB.
            texts: the sentences of each label.
            batch: images at a time.
        """
        import torch

        kept = []
        with torch.no_grad():
            labels, scale, bias = self._labels(texts, images[0])
            for start in track(range(0, len(images), batch), "comparing pictures with sentences"):
                seen = self._run([texts[0][0]], images[start : start + batch]).image_embeds
                logits = (_normed(seen) @ labels.T * scale + bias).double()
                kept.append(
                    torch.nn.functional.logsigmoid(logits) if self.sigmoid else logits.log_softmax(-1)
                )
        found: NDArray[np.float64] = torch.cat(kept).cpu().numpy()
        return found

    def _labels(
        self, texts: Sequence[Sequence[str]], image: Pixels
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the labels' embeddings [labels, width], and the scale and shift of a cosine."""
        import torch

        embedded = [_normed(self._run(sentences, [image]).text_embeds) for sentences in texts]
        scale: torch.Tensor = self.model.logit_scale.exp()
        shift: torch.Tensor = getattr(self.model, "logit_bias", torch.zeros_like(scale))
        return _normed(torch.stack([rows.mean(0) for rows in embedded])), scale, shift

    def _run(self, texts: Sequence[str], images: Sequence[Pixels]) -> Any:
        length = {"padding": "max_length", "max_length": 64} if self.sigmoid else {"padding": True}
        written = self.processor.tokenizer(list(texts), truncation=True, return_tensors="pt", **length)
        pixels = self.pixel_values(images).to(self.model.dtype)
        return self.model(**written.to(self.model.device), pixel_values=pixels)


def load_zero_shot(name: str, options: LoadOptions = _DEFAULT) -> ZeroShot:
    """Load a model for zero-shot comparison.

    Args:
        name: ``clip:`` and a folder or an id on the hub, e.g. ``clip:openai/clip-vit-base-patch32``.
        options: as for :func:`eyechart.subjects.loading.load_subject`.

    Raises:
        EyechartError: there is no such model, or it does not embed pictures and texts in one space.
    """
    from transformers import AutoModelForZeroShotImageClassification as Contrastive
    from transformers import AutoProcessor

    from eyechart.subjects.hub import read_config
    from eyechart.subjects.loading import placing
    from eyechart.subjects.names import resolve
    from eyechart.subjects.refusals import explain, refuse_missing_weights, refuse_no_contrast

    bare = name.removeprefix(ZERO_SHOT_MARK)
    folder = resolve(bare)
    refuse_no_contrast(bare, read_config(bare, folder, options))
    try:
        processor = AutoProcessor.from_pretrained(folder, **options.source())
        model, told = Contrastive.from_pretrained(
            folder, output_loading_info=True, **options.source(), **placing(options)
        )
    except EyechartError:
        raise
    except Exception as error:  # transformers, tokenizers and safetensors each raise their own
        raise explain(bare, error) from error
    refuse_missing_weights(bare, told["missing_keys"])
    return ZeroShot(name, model, processor)


def _normed(rows: torch.Tensor) -> torch.Tensor:
    normed: torch.Tensor = rows / rows.norm(dim=-1, keepdim=True)
    return normed
