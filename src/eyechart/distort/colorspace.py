"""CIE Lab in float64 (OpenCV's 8-bit and 32-bit conversions differ between processors)."""

from __future__ import annotations

import numpy as np

from eyechart.distort.registry import Pixels, Reals

# Linear sRGB to CIE XYZ, D65 (IEC 61966-2-1). The white is the image of (1, 1, 1), so grey has a = b = 0.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_WHITE = _TO_XYZ.sum(axis=1)
_FROM_XYZ = np.linalg.inv(_TO_XYZ)
_BEND, _SLOPE, _OFFSET = (6 / 29) ** 3, (29 / 6) ** 2 / 3, 4 / 29  # the linear foot of CIE's cube root

_codes = np.arange(256) / 255.0
_LINEAR = np.where(_codes <= 0.04045, _codes / 12.92, ((_codes + 0.055) / 1.055) ** 2.4)


def rgb_to_lab(image: Pixels) -> Reals:
    """Return L (0 to 100), a and b of an sRGB image (uint8 HWC), as float64 HWC."""
    share = _LINEAR[image] @ (_TO_XYZ / _WHITE[:, None]).T
    f = np.where(share > _BEND, np.cbrt(share), _SLOPE * share + _OFFSET)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: Reals) -> Reals:
    """Return sRGB values (float64 HWC), clipped to 0 to 1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    share = np.where(f > 6 / 29, f * f * f, (f - _OFFSET) / _SLOPE)
    linear = np.clip(share @ (_FROM_XYZ * _WHITE).T, 0.0, 1.0)
    values: Reals = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return values
