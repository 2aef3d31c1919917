"""From the bytes of a corpus' file to pixels, with a clear word on whatever is wrong with them."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from eyechart.corpora.photos import MOST_PIXELS, SUFFIXES, eight_bits, load_upright
from eyechart.errors import EyechartError

_LOSSLESS = frozenset({".png", ".bmp"})
_LOSSY = {b"\xff\xd8\xff": "JPEG", b"RIFF": "WebP", b"\x00\x00\x00\x0cjP": "JPEG 2000"}  # how files begin


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
    _refuse_disguise(data, name)
    try:
        return np.asarray(eight_bits(load_upright(io.BytesIO(data))).convert("RGB"))
    except Image.DecompressionBombError as error:
        what = f"{name} has more than {MOST_PIXELS:,} pixels (a decompression bomb)."
        raise EyechartError(what, "Take it out, or fetch the corpus again.") from error
    except Exception as error:  # decoders raise whatever the damaged bytes provoke, not one family of errors
        what = f"{name} cannot be decoded: {_told(error, data)}."
        raise EyechartError(what, "Fetch the corpus again.") from error


def _refuse_disguise(data: bytes, name: str) -> None:
    lossy = next((form for start, form in _LOSSY.items() if data.startswith(start)), "")
    if lossy and PurePosixPath(name).suffix.lower() in _LOSSLESS:
        what = f"{name} is {lossy} inside: it was compressed after it was published."
        raise EyechartError(what, "Fetch the corpus from its authors.")


def _told(error: Exception, data: bytes) -> str:
    if not data:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its bytes are no picture"
    return str(error).rstrip(".") or type(error).__name__
