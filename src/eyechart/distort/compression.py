"""Compression by the real codecs in Pillow (libjpeg-turbo, OpenJPEG)."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, features

from eyechart.distort.registry import Pixels, Severity, register
from eyechart.errors import EyechartError


@register(
    "jpeg",
    family="compression",
    severity=Severity("quality", "of libjpeg, lower is worse", 1, 100, whole=True),
    levels={"kadid10k": (43, 36, 24, 7, 4)},
    source="KADID-10k 10: JPEG, chroma subsampled 4:2:0",
)
def jpeg(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Encode and decode as JPEG."""
    return _through(image, "JPEG", "jpg", quality=int(severity), subsampling="4:2:0")


@register(
    "jpeg2000",
    family="compression",
    severity=Severity("ratio", "uncompressed to compressed size", 1.0, 1000.0),
    levels={"kadid10k": (16, 32, 45, 120, 400)},
    source="KADID-10k 09: JPEG 2000, irreversible 9/7 wavelet",
)
def jpeg2000(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Encode and decode as JPEG 2000 at a compression ratio."""
    resolutions = min(
        6, min(image.shape[:2]).bit_length()
    )  # the codec refuses to halve a side below one pixel
    return _through(
        image,
        "JPEG2000",
        "jpg_2000",
        no_jp2=True,
        irreversible=True,
        num_resolutions=resolutions,
        quality_mode="rates",
        quality_layers=[severity],
    )


def _through(image: Pixels, codec: str, feature: str, **options: Any) -> Pixels:
    if not features.check(feature):
        raise EyechartError(
            f"this Pillow was built without {codec}", "install Pillow's official wheel: pip install -U pillow"
        )
    stream = BytesIO()
    Image.fromarray(image).save(stream, codec, **options)
    with Image.open(stream) as decoded:
        return np.array(decoded.convert("RGB"))
