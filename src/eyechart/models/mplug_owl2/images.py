"""Images for the vision encoder: made square in one of three published ways, then as CLIP does.

    pad      a square canvas in CLIP's mean colour, the picture in its middle (Q-Align; training of all three)
    stretch  resized to a square of the longer side (mPLUG-Owl2's own advice and benchmarks)
    crop     the middle square; what lies outside is lost (Q-Instruct's scorer and evaluation)

All resizing is Pillow's, whose values are the published ones; torchvision's differ by a level here and there.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.processing_utils import ImagesKwargs

Squaring = Literal["pad", "stretch", "crop"]
PAD_COLOUR = (122, 116, 104)  # CLIP's mean times 255, truncated


class MPLUGOwl2ImagesKwargs(ImagesKwargs, total=False):  # type: ignore[misc, call-arg]
    """What a call may set.

    Attributes:
        squaring: how an image that is not square becomes so.
    """

    squaring: Squaring


class MPLUGOwl2ImageProcessor(CLIPImageProcessorPil):  # type: ignore[misc]
    """CLIP's preprocessing behind one of three ways to a square."""

    valid_kwargs = MPLUGOwl2ImagesKwargs
    squaring: Squaring = "pad"

    def process_image(self, image: Any, squaring: Squaring = "pad", **kwargs: Any) -> NDArray[np.uint8]:
        """Return one image as RGB, uint8 [3, height, width], square unless ``squaring`` is crop.

        Grey, palette and alpha pictures are converted to RGB first; alpha is dropped, as Pillow does.
        """
        pixels: NDArray[np.uint8] = super().process_image(image, **kwargs)
        return square(pixels, squaring)


def square(pixels: NDArray[np.uint8], squaring: Squaring) -> NDArray[np.uint8]:
    """Return uint8 pixels [3, height, width] as a square of the longer side; ``crop`` changes nothing yet.

    An odd pixel of padding goes to the right or to the bottom. Stretching is Pillow's bicubic.
    """
    height, width = pixels.shape[1:]
    side = max(height, width)
    if height == width or squaring == "crop":
        return pixels
    if squaring == "stretch":
        stretched = Image.fromarray(np.moveaxis(pixels, 0, -1)).resize((side, side))
        return np.moveaxis(np.asarray(stretched), -1, 0)
    canvas = np.empty((3, side, side), np.uint8)
    canvas[:] = np.array(PAD_COLOUR, np.uint8)[:, None, None]
    top, left = (side - height) // 2, (side - width) // 2
    canvas[:, top : top + height, left : left + width] = pixels
    return cast("NDArray[np.uint8]", canvas)
