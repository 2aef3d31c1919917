"""Compression by real codecs."""

from __future__ import annotations

import math

import cv2
import numpy as np

from eyechart.distort.codecs import decode, encode, encode_jpeg2000
from eyechart.distort.noise import white_noise
from eyechart.distort.registry import TID2013_PSNR, Pixels, Severity, register

_COARSE = 4  # steps of the quantiser in standard deviations of the noise


@register(
    "jpeg",
    family="compression",
    severity=Severity("quality", "of libjpeg, lower is worse", 1, 100, whole=True, worse="low"),
    levels={
        "kadid10k": (43, 36, 24, 7, 4),
        "depictqa": (25, 18, 12, 8, 5),
        "imagenet_c": (25, 18, 15, 10, 7),
    },
    targets={"tid2013": TID2013_PSNR},
    space="YCbCr",
    source="KADID-10k 10, LIVE jpeg, CSIQ JPEG, TID2013 10: JPEG, chroma subsampled 4:2:0",
)
def jpeg(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Encode and decode as JPEG (OpenCV's libjpeg-turbo)."""
    options = [cv2.IMWRITE_JPEG_QUALITY, int(severity)]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420]
    _, stream = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(stream, cv2.IMREAD_COLOR)
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)  # type: ignore[no-any-return]


@register(
    "jpeg2000",
    family="compression",
    severity=Severity("ratio", "uncompressed to compressed size", 1.0, 1000.0),
    levels={"kadid10k": (16, 32, 45, 120, 400)},
    targets={"tid2013": TID2013_PSNR, "depictqa": (29.0, 27.5, 26.0, 24.5, 23.0)},
    ranges={"live": (7.6, 858.0)},  # 3.15 to 0.028 bits a pixel
    space="YCbCr",
    source="KADID-10k 09, LIVE jp2k, CSIQ JPEG2000, TID2013 11: JPEG 2000, irreversible 9/7 wavelet",
)
def jpeg2000(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Encode and decode as JPEG 2000 at a compression ratio (OpenJPEG)."""
    return decode(encode_jpeg2000(image, severity), "JPEG2000")


@register(
    "webp",
    family="compression",
    severity=Severity("quality", "of libwebp, lower is worse", 0, 100, worse="low"),
    levels={"eyechart": (40, 20, 10, 4, 0)},
    space="YCbCr",
    source="WebP, lossy (own levels)",
)
def webp(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Encode and decode as lossy WebP (libwebp, method 4)."""
    return decode(encode(image, "WEBP", quality=severity, method=4), "WEBP")


@register(
    "avif",
    family="compression",
    severity=Severity("quality", "of libavif, lower is worse", 0, 100, whole=True, worse="low"),
    levels={"eyechart": (40, 25, 15, 8, 0)},
    space="YCbCr",
    source="AVIF, lossy, chroma subsampled 4:2:0 (own levels)",
)
def avif(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Encode and decode as AVIF (libavif with AV1 at speed 10, one thread)."""
    options = {"quality": int(severity), "subsampling": "4:2:0", "speed": 10, "max_threads": 1}
    return decode(encode(image, "AVIF", **options), "AVIF")


@register(
    "noisy_compression",
    family="compression",
    severity=Severity("variance", "of values in 0 to 1", 0.00001, 0.25),
    targets={"tid2013": TID2013_PSNR},
    space="YCbCr",
    source="TID2013 21: white noise, then JPEG with steps that suit the noise (own realisation)",
)
def noisy_compression(image: Pixels, severity: float, draw: np.random.Generator) -> Pixels:
    """Add white noise, then encode and decode as JPEG, the steps of its quantiser four sigma of the noise.

    With such a step most noise is lost with the texture; what passes turns into single cosine waves. The
    step of a block's mean is one sigma.
    """
    step = min(255, max(1, round(_COARSE * 255 * math.sqrt(severity))))
    table = [max(1, step // _COARSE)] + [step] * 63
    noisy = white_noise(image, severity, draw)
    return decode(encode(noisy, "JPEG", qtables=[table, table], subsampling="4:2:0"), "JPEG")  # type: ignore[arg-type]
