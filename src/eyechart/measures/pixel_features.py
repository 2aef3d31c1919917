"""Ten hand-made features of an image's pixels: what can be told of a distortion without any model."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
SMALLEST = 24  # pixels a side: three 8x8 blocks


def pixel_features(images: Iterable[Pixels]) -> NDArray[np.float64]:
    """Return the ten features of every image, in the order of ``FEATURES``.

    Args:
        images: uint8 RGB [height, width, 3] each, of any size from 24 x 24.

    Returns:
        float64 [n, 10], finite also for an image of one colour.

    Raises:
        EyechartError: an image of another type, shape or size.
    """
    return np.array([_of_one(image) for image in images], dtype=np.float64).reshape(-1, len(FEATURES))


def laplacian_variance(rgb: Floats, luma: Floats) -> float:
    """Return log(1 + variance of the Laplacian of luma): sharpness (Pech-Pacheco et al., ICPR 2000)."""
    import cv2

    return float(np.log1p(cv2.Laplacian(luma, cv2.CV_32F, ksize=1)[1:-1, 1:-1].var()))


def noise_sigma(rgb: Floats, luma: Floats) -> float:
    """Return the standard deviation of the noise in luma, in grey levels (Immerkaer, CVIU 64:300, 1996)."""
    import cv2

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(cv2.filter2D(luma, cv2.CV_32F, mask)[1:-1, 1:-1]).mean())


def blockiness(rgb: Floats, luma: Floats) -> float:
    """Return how much an 8x8 grid stands out, whatever its offset: 0 for none.

    A step across a block border exceeds its two neighbouring steps. The mean excess is taken for each of the
    eight phases, and the feature is the highest mean excess minus the median one, in grey levels, averaged
    over rows and columns: the idea of Wang, Bovik and Evans (ICIP 2000) without their known grid.
    """
    return (_grid_excess(luma) + _grid_excess(luma.T)) / 2


def mean_luma(rgb: Floats, luma: Floats) -> float:
    """Return the mean of luma (ITU-R BT.601), 0 to 255."""
    return float(luma.mean())


def rms_contrast(rgb: Floats, luma: Floats) -> float:
    """Return the standard deviation of luma (Peli, JOSA A 7:2032, 1990), 0 to 127.5."""
    return float(luma.std())


def mean_saturation(rgb: Floats, luma: Floats) -> float:
    """Return the mean of HSV saturation, (max - min) / max, 0 to 1."""
    low, high = _extremes(rgb)
    return float(((high - low) / np.maximum(high, 1)).mean())


def colourfulness(rgb: Floats, luma: Floats) -> float:
    """Return the colourfulness of Hasler and Suesstrunk (SPIE 5007:87, 2003): 0 for grey, 100 for vivid."""
    red_green = rgb[..., 0] - rgb[..., 1]
    yellow_blue = (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def gradient_kurtosis(rgb: Floats, luma: Floats) -> float:
    """Return the log kurtosis of the steps between neighbours: high for few strong edges, low for noise.

    Natural images have heavy-tailed gradients (Field, JOSA A 4:2379, 1987). A normal distribution has log 3
    = 1.1.
    """
    steps = np.concatenate([np.diff(luma, axis=0).ravel(), np.diff(luma, axis=1).ravel()]).astype(np.float64)
    squares = np.square(steps - steps.mean())
    return float(np.log(np.square(squares).mean() + 1e-3) - 2 * np.log(squares.mean() + 1e-3))


def clipped_share(rgb: Floats, luma: Floats) -> float:
    """Return the share of pixels of which some channel is 0 or 255."""
    low, high = _extremes(rgb)
    return float(((low <= 0) | (high >= 255)).mean())


def high_frequency_ratio(rgb: Floats, luma: Floats) -> float:
    """Return the log ratio of luma's power above a quarter cycle per pixel to that below, without the mean.

    A Hann window keeps the jump between opposite borders out of the high frequencies.
    """
    height, width = luma.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    centred = luma - np.average(luma, weights=window)
    power = np.abs(np.fft.rfft2(centred * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    high = radius > 0.25
    floor = 1e-3 * luma.size
    return float(np.log(power[high].sum() + floor) - np.log(power[~high].sum() + floor))


Feature = Callable[[Floats, Floats], float]
FEATURES: dict[str, Feature] = {
    feature.__name__: feature
    for feature in (
        laplacian_variance,
        noise_sigma,
        blockiness,
        mean_luma,
        rms_contrast,
        mean_saturation,
        colourfulness,
        gradient_kurtosis,
        clipped_share,
        high_frequency_ratio,
    )
}


def _of_one(image: Pixels) -> list[float]:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise EyechartError(
            f"Pixel features of an image of type {image.dtype} and shape {image.shape}.",
            "Give uint8 RGB images of shape [height, width, 3].",
        )
    if min(image.shape[:2]) < SMALLEST:
        raise EyechartError(
            f"Pixel features of an image of {image.shape[1]} x {image.shape[0]} pixels.",
            f"Give images of at least {SMALLEST} x {SMALLEST} pixels.",
        )
    rgb = image.astype(np.float32)
    luma = 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]
    return [feature(rgb, luma) for feature in FEATURES.values()]


def _extremes(rgb: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest channel of every pixel."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    # Much faster than a reduction over an axis of length three.
    return np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)


def _grid_excess(luma: Floats) -> float:
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    excess = steps[1:-1] - (steps[:-2] + steps[2:]) / 2
    phases = [excess[phase::8].mean() for phase in range(8)]
    return float(np.max(phases) - np.median(phases))
