"""Images as compressed streams and back, by the codecs in Pillow."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, features

from eyechart.distort.registry import Pixels
from eyechart.errors import EyechartError

_FEATURES = {"JPEG": "jpg", "JPEG2000": "jpg_2000", "WEBP": "webp", "AVIF": "avif"}


def encode(image: Pixels, codec: str, **options: Any) -> bytes:
    """Return an RGB image as a compressed stream.

    Args:
        image: uint8 HWC RGB.
        codec: Pillow's name of the format.
        options: as Pillow's ``save`` takes them.

    Raises:
        EyechartError: this Pillow lacks the codec, or the codec cannot hold an image of this size.
    """
    if not features.check(_FEATURES[codec]):
        raise EyechartError(
            f"this Pillow was built without {codec}", "install Pillow's official wheel: pip install -U pillow"
        )
    stream = BytesIO()
    try:
        Image.fromarray(image).save(stream, codec, **options)
    except (OSError, ValueError) as problem:
        size = f"{image.shape[1]} x {image.shape[0]}"
        raise EyechartError(
            f"{codec} cannot hold an image of {size} pixels ({problem})", "shrink it, or distort it in parts"
        ) from problem
    return stream.getvalue()


def decode(stream: bytes, codec: str) -> Pixels:
    """Return the RGB image in a stream.

    Raises:
        OSError: the stream is damaged beyond what the decoder bears.
    """
    with Image.open(BytesIO(stream), formats=(codec,)) as image:
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def encode_jpeg2000(image: Pixels, ratio: float) -> bytes:
    """Return a JPEG 2000 codestream of one tile: 9/7 wavelet, colour transform, layered by resolution.

    The colour transform is part of JPEG 2000 and on in Kakadu, which made the files of LIVE and (through
    MATLAB) of KADID-10k; Pillow leaves it off unless told.
    """
    levels = min(image.shape[:2]).bit_length()  # the codec refuses to halve a side below one pixel
    return encode(
        image,
        "JPEG2000",
        no_jp2=True,
        irreversible=True,
        mct=1,
        num_resolutions=min(6, levels),
        quality_mode="rates",
        quality_layers=[ratio],
    )
