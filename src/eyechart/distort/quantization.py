"""Fewer values than before: of the channels, of the colours, or of the smooth part alone."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from eyechart.distort.colorspace import Levels, luma
from eyechart.distort.otsu import thresholds
from eyechart.distort.palette import palette
from eyechart.distort.pixels import by_table
from eyechart.distort.registry import TID2013_PSNR, Made, Pixels, Severity, register

_CODES = np.arange(256)


@register(
    "quantization",
    family="quantization",
    severity=Severity("thresholds", "count", 1, 64, whole=True, worse="low"),
    levels={"kadid10k": (20, 16, 13, 10, 7)},
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 22, TID2013 7: Otsu's thresholds over the values of R, G and B together",
)
def quantization(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Give every class of values between two thresholds one value: 0, t2, t3, ... and 255.

    A class holds the values above its lower threshold up to its upper one, whose value it takes.
    """
    found = thresholds(np.bincount(image.ravel(), minlength=256), int(severity))
    values = np.array([0, *found[1:], 255])
    return by_table(image, values[np.searchsorted(found, _CODES)] / 255)


@register(
    "color_quantization",
    family="quantization",
    severity=Severity("colours", "count", 2, 256, whole=True, worse="low"),
    levels={"kadid10k": (64, 48, 32, 16, 8)},
    targets={"tid2013": TID2013_PSNR},
    source="KADID-10k 06, TID2013 22: a palette of least variance (Wu 1991) with Floyd-Steinberg dither",
)
def color_quantization(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Draw the image in few colours of its own, dithered."""
    colors = palette(image, int(severity))
    holder = Image.new("P", (1, 1))
    holder.putpalette(np.pad(colors, ((0, 256 - len(colors)), (0, 0)), mode="edge").tobytes())
    few = Image.fromarray(image).quantize(palette=holder, dither=Image.Dither.FLOYDSTEINBERG)
    return np.array(few.convert("RGB"))


@register(
    "posterization",
    family="quantization",
    severity=Severity("depth", "bits per channel", 1, 8, whole=True, worse="low", identity=(8, 8)),
    levels={"eyechart": (5, 4, 3, 2, 1)},
    source="uniform quantization of each channel, 0 and 255 kept (as GIMP and ImageMagick posterize)",
)
def posterization(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Round every channel to 2**bits evenly spaced values from 0 to 255.

    Masking the lower bits, as Pillow and torchvision do, would darken the image as well.
    """
    last = 2 ** int(severity) - 1
    return by_table(image, np.rint(_CODES * (last / 255)) / last)


@register(
    "banding",
    family="quantization",
    severity=Severity("tones", "of the luma", 2, 256, whole=True, worse="low", identity=(256, 256)),
    levels={"eyechart": (16, 12, 8, 6, 4)},
    source="what rounding to few tones makes of the smooth luma, where texture does not dither it "
    "(Widrow and Kollar 2008, Quantization Noise)",
)
def banding(image: Pixels, severity: float, draw: np.random.Generator) -> Made:
    """Turn smooth gradients into bands, texture kept.

    The luma is smoothed (sigma 4 px) and rounded to evenly spaced tones from 0 to 255; the difference is
    added to R, G and B. Normal noise of deviation s around a value that is rounded leaves the share
    exp(-2 pi**2 (s / step)**2) of the first harmonic of that difference. It is weakened by this factor, with
    s the deviation of the luma from the smooth one.
    """
    units = np.rint(luma(image) * np.float32(128)).astype(np.uint16)  # OpenCV smooths whole numbers exactly
    smooth = cv2.GaussianBlur(units, (25, 25), 4, borderType=cv2.BORDER_REPLICATE) / 128.0
    squares = np.rint((units / 128.0 - smooth) ** 2).clip(0, 65535).astype(np.uint16)
    variance = cv2.GaussianBlur(squares, (25, 25), 4, borderType=cv2.BORDER_REPLICATE)
    step = 255 / (severity - 1)
    jump = step * np.floor(smooth / step + 0.5) - smooth
    jump *= np.exp(-2 * (np.pi / step) ** 2 * variance)
    levels: Levels = image + cv2.merge([jump, jump, jump])
    return levels
