"""Make a distortion: ``distort(image, "jpeg", level=3)``.

One registry, one file per family. The same call gives the same pixels on every processor, as computation is
exact or in float64 and rounds in one way. The codecs' output is theirs, for a given version of the library.
"""

from __future__ import annotations

from eyechart.distort import (  # noqa: F401  (register)
    blur,
    brightness,
    chroma,
    color,
    colored_noise,
    comfort_noise,
    compression,
    contrast,
    glass,
    masked_noise,
    noise,
    patches,
    poisson_noise,
    quantization,
    restoration,
    sharpness,
    spatial,
    transmission,
    zoom,
)
from eyechart.distort.calibration import Calibration, calibrate
from eyechart.distort.make import Distorted, Step, compose, distort, make_composed, make_distorted
from eyechart.distort.pixels import psnr
from eyechart.distort.registry import FAMILIES, Distortion, Pixels, Severity, find, registry

__all__ = [
    "FAMILIES",
    "Calibration",
    "Distorted",
    "Distortion",
    "Pixels",
    "Severity",
    "Step",
    "calibrate",
    "compose",
    "distort",
    "find",
    "make_composed",
    "make_distorted",
    "psnr",
    "registry",
]
