"""Make a distortion: ``distort(image, "jpeg", level=3)``.

One registry, one file per family. Definitions and levels follow KADID-10k (Lin, Hosu, Saupe, QoMEX 2019),
as its generator states them. The same call gives the same pixels on every processor, as computation is in
float64 or exact and rounds in one way. The codecs' output is theirs, for a given version of Pillow.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from PIL import Image

from eyechart.distort import blur, brightness, color, compression, contrast, noise, spatial  # noqa: F401  (register)
from eyechart.distort.pixels import psnr
from eyechart.distort.registry import Distortion, Pixels, Severity, find, registry
from eyechart.errors import EyechartError
from eyechart.seeds import rng

__all__ = ["Distortion", "Pixels", "Severity", "distort", "find", "psnr", "registry"]

Picture = TypeVar("Picture", Pixels, Image.Image)


def distort(
    image: Picture,
    type: str,
    *,
    level: int | None = None,
    severity: float | None = None,
    corpus: str = "kadid10k",
    seed: int = 0,
    image_id: str = "",
) -> Picture:
    """Return a distorted copy of an image.

    Args:
        image: uint8 RGB array (height, width, 3), or an RGB image of Pillow; the same kind is returned.
        type: the distortion's name, see :func:`registry`.
        level: 1 to 5, as the corpus defines them; or
        severity: the distortion's own parameter. Exactly one of both.
        corpus: whose levels.
        seed: seed of the random distortions; together with ``type`` and
        image_id: it fixes the noise, whatever else was drawn before.

    Raises:
        EyechartError: unknown type, level or corpus, severity out of range, or an image of another kind.
    """
    found = find(type)
    if (level is None) == (severity is None):
        raise EyechartError("name either a level or a severity", f"e.g. distort(image, {type!r}, level=3)")
    amount = found.check(float(severity)) if severity is not None else found.at_level(corpus, level or 0)
    draw = rng(seed, "distort", type, image_id)
    if isinstance(image, Image.Image):
        if image.mode != "RGB":
            raise EyechartError(f"the image is {image.mode}, not RGB", 'convert it: image.convert("RGB")')
        return Image.fromarray(found.make(np.array(image), amount, draw))
    return found.make(_checked(image), amount, draw)


def _checked(image: Pixels) -> Pixels:
    if not isinstance(image, np.ndarray):
        raise EyechartError(f"{image.__class__.__name__} is no image", "give a NumPy array or a Pillow image")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise EyechartError(
            f"the array has shape {image.shape} and type {image.dtype}",
            "give an RGB image: uint8 of shape (height, width, 3)",
        )
    return np.ascontiguousarray(image)
