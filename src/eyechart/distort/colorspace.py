"""CIE Lab (D65), by way of the three values that it is made of.

With t the amounts of X, Y and Z relative to white and f(t) CIE's cube root with a linear foot,
L = 116 f_Y - 16, a = 500 (f_X - f_Y) and b = 200 (f_Y - f_Z). A change of L by d therefore adds d / 116 to
all three, and a factor on a and b stretches f_X and f_Z about f_Y: neither needs a and b themselves.

OpenCV's 8-bit and 32-bit conversions to Lab interpolate, are off by up to half a unit, and differ between
processors. Here float32 is used where it is enough, and float64 where a pixel's value depends on it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from eyechart.distort.pixels import rounded
from eyechart.distort.registry import Pixels, Reals

Real = type[np.float32] | type[np.float64]
Levels = NDArray[np.floating]

# Linear sRGB to CIE XYZ, D65 (IEC 61966-2-1). The white is the image of (1, 1, 1), so grey has a = b = 0.
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_LUMA = np.array([[19595.0, 38470.0, 7471.0]])  # .299, .587 and .114 in units of 1 / 65536
_WHITE = _TO_XYZ.sum(axis=1)
_TO_SHARES = _TO_XYZ / _WHITE[:, None]
_FROM_SHARES = np.linalg.inv(_TO_SHARES)
_BEND, _SLOPE = 6 / 29, (29 / 6) ** 2 / 3  # where the foot of the cube root ends, and its slope
_AT_ONCE = 16384  # pixels, so that what is in hand stays in the cache
_FOOT = 0.0031308  # where the linear foot of sRGB's curve ends


def _light(values: Levels) -> Levels:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


_LINEAR = _light(np.arange(256) / 255.0)
# The light half-way between code k and k + 1 in units of 1 / _PLACES, and the lowest code within each unit.
_PLACES = 4096
_BORDER = np.append(_light((np.arange(255) + 0.5) / 255.0) * _PLACES, np.inf).astype(np.float32)
_LOWEST_CODE = np.searchsorted(_BORDER, np.arange(_PLACES + 1)).astype(np.uint8)


def linear(image: Pixels, real: Real = np.float64) -> Levels:
    """Return the light (0 to 1) of an sRGB image (uint8 HWC)."""
    light: Levels = cv2.LUT(image, _LINEAR.astype(real))
    return light


def luma(image: Pixels) -> NDArray[np.float32]:
    """Return the luma of BT.601 (0 to 255, float32 HW) of an image (uint8 HWC), exactly."""
    parts = cv2.transform(image.astype(np.float32), _LUMA)  # whole numbers below 2**24
    parts *= 1 / 65536
    return parts  # type: ignore[no-any-return]


def roots(image: Pixels, real: Real = np.float64) -> Levels:
    """Return f_X, f_Y and f_Z (HWC, 4/29 to 1) of an sRGB image (uint8 HWC)."""
    return _roots(cv2.transform(linear(image, real), _TO_SHARES))


def lightness(image: Pixels) -> Reals:
    """Return L (0 to 100, float64 HW) of an sRGB image (uint8 HWC)."""
    return 116 * _roots(cv2.transform(linear(image), _TO_SHARES[1:2])).astype(np.float64) - 16


def levels_of(found: Levels) -> Levels:
    """Return the grey levels (0 to 255, clipped) of f_X, f_Y and f_Z (HWC), in their precision."""
    bent = np.maximum(found, _BEND)
    shares = bent * bent
    shares *= bent
    bent -= found
    bent *= 1 / _SLOPE
    shares -= bent
    return encoded(cv2.transform(shares, _FROM_SHARES))


def encoded(light: Levels) -> Levels:
    """Return the grey levels (0 to 255, clipped) of linear light (HWC), in its precision."""
    light = np.clip(light, 0.0, 1.0)
    bent = np.maximum(light, _FOOT)
    levels: Levels = np.power(bent, light.dtype.type(1 / 2.4))
    levels *= 255 * 1.055
    levels -= 255 * 0.055
    bent -= light
    bent *= 255 * 12.92
    levels -= bent
    return levels


def codes_of_light(light: NDArray[np.float32]) -> Pixels:
    """Return the nearest 8-bit sRGB codes of linear light (float32 HWC, clipped to 0 to 1).

    Whether a value lies above the border between two codes is a comparison, so no power is computed.
    """
    places = np.clip(light, 0.0, 1.0) * np.float32(_PLACES)
    code = _LOWEST_CODE[places.astype(np.uint16)]
    code += places >= _BORDER[code]
    return code


def with_lightness_changed(image: Pixels, change: Levels) -> Pixels:
    """Return an image (uint8 HWC) with another L, and its own a and b.

    Args:
        image: uint8 HWC, sRGB.
        change: of L, float64 HW; differences between processors beyond its tenth digit do not matter.
    """

    def make(pixels: Pixels, real: Real, change: Levels) -> Levels:
        rise = np.asarray(change / 116, real)
        return levels_of(roots(pixels, real) + cv2.merge([rise, rise, rise]))

    return settled(make, image, change, doubt=0.008)


def settled(make: Callable[..., Levels], image: Pixels, *planes: Levels, doubt: float) -> Pixels:
    """Round grey levels computed in float32, and in float64 where they lie close to a rounding tie.

    So processors that differ in the last bits of float32 still give the same pixels.

    Args:
        make: called with an image (uint8 HWC), a precision and the planes (HW); returns its grey levels
            (HWC), each from its own pixel alone.
        image: uint8 HWC.
        planes: HW, other values of each pixel that ``make`` needs.
        doubt: more than the error of float32, in grey levels.
    """
    row, *others = (whole.reshape(1, image.shape[0] * image.shape[1], -1) for whole in (image, *planes))
    pixels = np.empty(row.shape, np.uint8)
    for start in range(0, row.shape[1], _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found = make(row[:, part], np.float32, *(other[:, part, 0] for other in others))
        pixels[:, part] = rounded(found)
        found -= np.floor(found)
        near = start + np.unique(np.flatnonzero(np.abs(found - np.float32(0.5)) < doubt) // 3)
        if near.size:
            again = make(row[:, near], np.float64, *(other[:, near, 0] for other in others))
            pixels[:, near] = rounded(again.astype(np.float32))  # a tie stays one, whatever its last bits
    return pixels.reshape(image.shape)


def _roots(shares: Levels) -> Levels:
    bent = np.maximum(shares, _BEND**3)
    found = np.cbrt(bent)
    bent -= shares
    bent *= _SLOPE
    found -= bent
    return found
