"""Errors of transmission: wrong bits in a real stream, decoded by a real decoder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eyechart.distort.bitstream import damage_jpeg, damage_jpeg2000
from eyechart.distort.codecs import decode, encode, encode_jpeg2000
from eyechart.distort.pixels import psnr
from eyechart.distort.registry import TID2013_PSNR, Pixels, Redrawn, Severity, register
from eyechart.errors import EyechartError

_QUALITY = 90
_RESTART = 8  # blocks of 16 x 16 pixels between two restart markers
_RATIO = 24 / 2.5  # LIVE's fast fading: 2.5 bits a pixel
_FADE = 20  # bits that a fade lasts on average
_COST = 1.0  # dB of PSNR that the errors must cost, and
_BEST = 40.0  # dB that they may leave, so as to be seen
_DRAWS = 100


@register(
    "jpeg_transmission",
    family="transmission",
    severity=Severity("rate", "share of wrong bits", 1e-7, 0.01),
    levels={"eyechart": (2e-5, 6e-5, 1.5e-4, 4e-4, 1e-3)},
    targets={"tid2013": TID2013_PSNR},
    space="YCbCr",
    source="TID2013 12: single wrong bits in a JPEG stream with restart markers (own realisation)",
)
def jpeg_transmission(image: Pixels, severity: float, draw: np.random.Generator) -> Redrawn:
    """Flip independent bits between the markers of a JPEG stream and decode it."""
    options = {"quality": _QUALITY, "subsampling": "4:2:0", "restart_marker_blocks": _RESTART}
    stream = encode(image, "JPEG", **options)
    return _received(image, stream, "JPEG", lambda: damage_jpeg(stream, severity, 1, draw))


@register(
    "jpeg2000_transmission",
    family="transmission",
    severity=Severity("rate", "share of wrong bits", 1e-6, 0.05),
    levels={"eyechart": (2e-4, 5e-4, 1e-3, 2e-3, 4e-3)},
    targets={"tid2013": TID2013_PSNR},
    space="YCbCr",
    source="LIVE fastfading, TID2013 13: bursts of wrong bits in a JPEG 2000 stream of 2.5 bits a pixel",
)
def jpeg2000_transmission(image: Pixels, severity: float, draw: np.random.Generator) -> Redrawn:
    """Flip bits of a JPEG 2000 stream in bursts, as a fading channel does, and decode it.

    The rate is the mean over good and bad times; a fade lasts 20 bits on average. The stream is one tile
    without error resilience, which LIVE's coder had: a close relative of LIVE's files, not the same.
    """
    stream = encode_jpeg2000(image, _RATIO)
    return _received(image, stream, "JPEG2000", lambda: damage_jpeg2000(stream, severity, _FADE, draw))


def _received(image: Pixels, stream: bytes, codec: str, damaged: Callable[[], bytes]) -> Redrawn:
    """Return the first damaged image that can be decoded and is seen: 1 dB worse than undamaged, under 40 dB.

    Where that is none of 100, as on an image of a few pixels, the last that could be decoded is taken.

    Raises:
        EyechartError: none of 100 could be decoded.
    """
    limit = min(psnr(decode(stream, codec), image) - _COST, _BEST)
    received = None
    for redraws in range(_DRAWS):
        try:
            received = decode(damaged(), codec)
        except OSError:
            continue
        if psnr(received, image) < limit:
            return Redrawn(received, redraws)
    if received is None:
        raise EyechartError(f"no damaged {codec} stream could be decoded in {_DRAWS} draws", "lower the rate")
    return Redrawn(received, _DRAWS - 1)
