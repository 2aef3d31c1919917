"""Which images are taken: RGB, grey, either with alpha, as arrays or as Pillow images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from eyechart.distort.registry import Pixels
from eyechart.errors import EyechartError

LONGEST_SIDE = 32_000  # pixels; OpenCV's warps hold coordinates in 16 bits
MOST_PIXELS = 50_000_000  # a decompression bomb, or gigabytes of real numbers
_MODES = ("RGB", "L", "RGBA", "LA")


def as_rgb(image: Any) -> tuple[Pixels, Callable[[Pixels], Any]]:
    """Return an image as RGB (uint8 HWC), and the function that turns a distorted one into its kind again.

    A grey image is distorted as three equal channels, and its green one is returned: the statistics of noise
    stay those of one channel. Alpha is kept as it is.

    Args:
        image: uint8 array of shape (height, width), (height, width, 1 to 4), or a Pillow image of mode RGB,
            L, RGBA or LA.

    Raises:
        EyechartError: another kind of image, an empty one, or one too large.
    """
    if isinstance(image, Image.Image):
        if image.mode not in _MODES:
            raise EyechartError(
                f"the image is {image.mode}, not one of {', '.join(_MODES)}", _remedy(image.mode)
            )
        rgb, back = _array(np.array(image))
        return rgb, lambda distorted: Image.fromarray(back(distorted))
    if not isinstance(image, np.ndarray):
        raise EyechartError(f"{image.__class__.__name__} is no image", "give a NumPy array or a Pillow image")
    return _array(image)


def _remedy(mode: str) -> str:
    if mode.startswith("I;16"):
        return "make 8-bit samples of it: Image.fromarray((np.array(image) >> 8).astype('u1'))"
    return 'convert it: image.convert("RGB")'


def _array(image: Pixels) -> tuple[Pixels, Callable[[Pixels], Pixels]]:
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or channels not in (1, 2, 3, 4) or not image.size:
        raise EyechartError(
            f"the array has shape {image.shape} and type {image.dtype}",
            "give uint8: (height, width), or (height, width, 1 to 4) for grey or RGB, with or without alpha",
        )
    if max(image.shape[:2]) > LONGEST_SIDE or image.shape[0] * image.shape[1] > MOST_PIXELS:
        raise EyechartError(
            f"the image has {image.shape[1]} x {image.shape[0]} pixels",
            f"at most {MOST_PIXELS:,} and {LONGEST_SIDE:,} a side: shrink it, or distort it in parts",
        )
    if channels == 3:
        return np.ascontiguousarray(image), lambda distorted: distorted
    planes = image.reshape(*image.shape[:2], channels)
    if channels == 4:
        rgb = np.ascontiguousarray(planes[..., :3])
        return rgb, lambda distorted: np.concatenate([distorted, planes[..., 3:]], axis=2)

    def back(distorted: Pixels) -> Pixels:
        return np.concatenate([distorted[..., 1:2], planes[..., 1:]], axis=2).reshape(image.shape)

    return np.repeat(planes[..., :1], 3, axis=2), back
