"""The one interface of subjects: what each may be asked for, and a clear refusal of what it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eyechart.subjects.capabilities import Capability, lacking

if TYPE_CHECKING:
    import torch

    from eyechart.subjects.model import Pixels, Prompt

# The method behind each capability.
METHODS = {
    Capability.PIXELS: "pixel_values",
    Capability.GENERATE: "generate",
    Capability.CHOOSE: "choose",
    Capability.PROMPT: "prompt",
    Capability.COMPONENTS: "components",
    Capability.VISUAL_TOKENS: "visual_tokens",
    Capability.STAGES: "stage",
    Capability.WORDS: "word_embedding",
}


class Subject:
    """A model that is examined: open, behind an address, or one that compares pictures with texts.

    A class has the methods of the capabilities that it declares; each of the others raises an EyechartError.
    Images are uint8 HWC RGB.

    Attributes:
        name: what reports call it.
        capabilities: what it offers.
        processor: what prepares images and texts, where it is at hand.
    """

    name: str
    processor: Any
    capabilities: frozenset[Capability] = frozenset()

    def pixel_values(self, images: Sequence[Pixels]) -> torch.Tensor:
        """Return the images as the vision encoder receives them; the shape is the family's own."""
        raise lacking(self.name, Capability.PIXELS)

    def generate(self, images: Sequence[Pixels], question: str) -> list[str]:
        """Return a text in answer to a question on each image."""
        raise lacking(self.name, Capability.GENERATE)

    def choose(self, images: Sequence[Pixels], question: str, answers: Sequence[str]) -> NDArray[np.float64]:
        """Return the log-likelihood of each whole answer to a question on each image, [n, answers]."""
        raise lacking(self.name, Capability.CHOOSE)

    def prompt(self, question: str, image_size: tuple[int, int]) -> Prompt:
        """Return the exact string and token ids of a question on an image of a size (height, width)."""
        raise lacking(self.name, Capability.PROMPT)

    def components(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the parameters of vision encoder, projector and language model, by name."""
        raise lacking(self.name, Capability.COMPONENTS)

    def visual_tokens(self, images: Sequence[Pixels]) -> list[torch.Tensor]:
        """Return what the language model receives at the image positions, [tokens, width] an image."""
        raise lacking(self.name, Capability.VISUAL_TOKENS)

    def stage(self, images: Sequence[Pixels], name: str) -> list[torch.Tensor]:
        """Return the states at a stage (see :mod:`eyechart.subjects.stages`), [tokens, width] an image."""
        raise lacking(self.name, Capability.STAGES)

    def word_embedding(self, word: str) -> torch.Tensor:
        """Return the mean input embedding of a word's tokens, [width]."""
        raise lacking(self.name, Capability.WORDS)
