"""From the bytes of a file to pixels, with a clear word on whatever is wrong with them."""

from __future__ import annotations

import io
import warnings
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from eyechart.corpora.photos import MOST_PIXELS, SUFFIXES
from eyechart.errors import EyechartError

FORMATS = ("BMP", "JPEG", "JPEG2000", "PNG", "TIFF", "WEBP")
_LOSSY = frozenset({"JPEG", "JPEG2000", "MPO", "WEBP"})


def is_picture(name: str) -> bool:
    """Return whether a name ends as a picture's does and is no hidden file of an operating system."""
    path = PurePosixPath(name)
    hidden = path.name.startswith(".") or "__MACOSX" in path.parts
    return path.suffix.lower() in SUFFIXES and not hidden


def decode(data: bytes, name: str) -> NDArray[np.uint8]:
    """Return the pixels of a picture: uint8, [height, width, 3], RGB, upright by its EXIF orientation.

    Unlike `read_photo`, colour profiles are not applied: the pixels are those that the corpus published and
    that other loaders see.

    Raises:
        EyechartError: no picture, damaged or truncated, more than 50 million pixels, or a lossy format under
            the name of a lossless one: someone compressed the picture after it was published.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's bomb warning comes later than ours; odd metadata
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                _refuse_disguise(image, name)
                image.load()
                return np.asarray(_eight_bits(ImageOps.exif_transpose(image)).convert("RGB"))
    except Image.DecompressionBombError as error:
        what = f"{name} has more than {MOST_PIXELS:,} pixels (a decompression bomb)."
        raise EyechartError(what, "Take it out, or fetch the corpus again.") from error
    except EyechartError:
        raise
    except Exception as error:  # decoders raise whatever the damaged bytes provoke, not one family of errors
        what = f"{name} cannot be decoded: {_told(error, data)}."
        raise EyechartError(what, "Fetch the corpus again.") from error


def _refuse_disguise(image: Image.Image, name: str) -> None:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in {".png", ".bmp"} and image.format in _LOSSY:
        what = f"{name} is {image.format} inside: it was compressed after it was published."
        raise EyechartError(what, "Fetch the corpus from its authors.")


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper 8 of 16 bits; Pillow's own conversion would clip instead of scale."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _told(error: Exception, data: bytes) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its bytes are no picture"
    return str(error).rstrip(".") or type(error).__name__
