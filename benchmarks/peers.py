"""The same distortions by other libraries, each as near to ours as its settings allow.

A library that is not installed has no entries. What differs in the definition is told beside the entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from eyechart.distort import Pixels, registry

Call = Callable[[], Any]
PACKAGES = {
    "imagecorruptions": "imagecorruptions-imaug",
    "albumentations": "albumentations",
    "kornia": "kornia",
}


@dataclass(frozen=True)
class Peer:
    """One distortion of another library.

    Attributes:
        library: its name.
        type: the nearest type of ours.
        severity: of ours, which the call's settings correspond to.
        prepare: takes an image (uint8 HWC RGB) and returns the call to be timed.
        differs: what its output lacks or does otherwise; empty where the definitions agree.
    """

    library: str
    type: str
    severity: float
    prepare: Callable[[Pixels], Call]
    differs: str = ""


def peers() -> tuple[list[Peer], dict[str, str]]:
    """Return the entries of every library that is installed, and the versions of all ("absent" if not)."""
    found: list[Peer] = []
    versions = {}
    for library, entries in (
        ("imagecorruptions", _imagecorruptions),
        ("albumentations", _albumentations),
        ("kornia", _kornia),
    ):
        try:
            versions[library] = version(PACKAGES[library])
        except PackageNotFoundError:
            versions[library] = "absent"
            continue
        found += [peer for peer in entries() if peer.type in registry()]
    return found, versions


def _imagecorruptions() -> list[Peer]:
    """Return ImageNet-C's types at its severity 3."""
    from imagecorruptions import corrupt

    def peer(type: str, name: str, severity: float, differs: str = "") -> Peer:
        def prepare(image: Pixels) -> Call:
            return lambda: corrupt(image, corruption_name=name, severity=3)

        return Peer("imagecorruptions", type, severity, prepare, differs)

    return [
        peer("white_noise", "gaussian_noise", 0.18**2, "cuts instead of rounding"),
        peer("poisson_noise", "shot_noise", 12, "cuts instead of rounding"),
        peer("impulse_noise", "impulse_noise", 0.09),
        peer("speckle_noise", "speckle_noise", 0.35, "cuts instead of rounding"),
        peer("gaussian_blur", "gaussian_blur", 3, "cuts instead of rounding"),
        peer("glass_blur", "glass_blur", 2, "loses pixels where it swaps them"),
        peer("defocus_blur", "defocus_blur", 6, "cuts instead of rounding"),
        peer("motion_blur", "motion_blur", 15, "a fading line, whole pixels"),
        peer("zoom_blur", "zoom_blur", 1.21, "cuts instead of rounding"),
        peer("contrast_scale", "contrast", 0.2, "cuts instead of rounding"),
        peer("brighten", "brightness", 0.4, "adds to HSV's value"),
        peer("saturation_hsv", "saturate", 0.1, "cuts instead of rounding"),
        peer("jpeg", "jpeg_compression", 15),
        peer("pixelate", "pixelate", 0.37, "averages where KADID-10k picks"),
    ]


def _albumentations() -> list[Peer]:
    import albumentations as alb
    import cv2

    def peer(type: str, severity: float, transform: Any, differs: str = "") -> Peer:
        def prepare(image: Pixels) -> Call:
            return lambda: transform(image=image)

        return Peer("albumentations", type, severity, prepare, differs)

    def light(brightness: float, contrast: float) -> Any:
        limits = {"brightness_limit": (brightness,) * 2, "contrast_limit": (contrast,) * 2}
        return alb.RandomBrightnessContrast(**limits, p=1)

    nearest = {"downscale": cv2.INTER_NEAREST, "upscale": cv2.INTER_NEAREST}
    cubic = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_CUBIC}
    spread = 3 * 0.01
    factors = (1 - spread**0.5, 1 + spread**0.5)
    grey = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (0.1, 0.1), "hue": (0, 0)}
    red_blue = {"primary_distortion_limit": (0.02,) * 2, "secondary_distortion_limit": (0.05,) * 2}
    return [
        peer("gaussian_blur", 3, alb.GaussianBlur(0, (3, 3), p=1), "8-bit arithmetic"),
        peer("motion_blur", 15, alb.MotionBlur((15, 15), allow_shifted=False, p=1), "a jagged line, 8 bit"),
        peer("defocus_blur", 6, alb.Defocus((6, 6), (0.5, 0.5), p=1)),
        peer("glass_blur", 2, alb.GlassBlur(1, 2, 3, p=1), "loses pixels where it swaps them"),
        peer(
            "zoom_blur",
            1.21,
            alb.ZoomBlur((1.21, 1.21), (0.02, 0.02), p=1),
            "half the copies, of whole pixels",
        ),
        peer("white_noise", 0.18**2, alb.GaussNoise((0.18, 0.18), p=1)),
        peer("poisson_noise", 12, alb.ShotNoise((1 / 12, 1 / 12), p=1), "in linear light"),
        peer("impulse_noise", 0.09, alb.SaltAndPepper((0.09, 0.09), (0.5, 0.5), p=1), "all channels at once"),
        peer("multiplicative_noise", 0.01, alb.MultiplicativeNoise(factors, True, True, p=1)),
        peer("jpeg", 15, alb.ImageCompression("jpeg", (15, 15), p=1), "hands red to the codec as blue"),
        peer("webp", 15, alb.ImageCompression("webp", (15, 15), p=1), "hands red to the codec as blue"),
        peer("contrast_scale", 0.4, light(0, -0.6), "about zero, not about the mean"),
        peer("mean_shift", 0.15, light(0.15, 0)),
        peer("gamma", 0.6, alb.RandomGamma((60, 60), p=1), "cuts instead of rounding"),
        peer("saturation_hsv", 0.1, alb.ColorJitter(**grey, p=1), "blends with grey, not HSV"),
        peer("posterization", 3, alb.Posterize(3, p=1), "drops bits, which darkens"),
        peer("pixelate", 0.5, alb.Downscale((0.29, 0.29), nearest, p=1), "shifts by up to a pixel"),
        peer("downscale", 4, alb.Downscale((0.25, 0.25), cubic, p=1), "rounds the small image to 8 bits"),
        peer("sharpen", 1, alb.UnsharpMask((13, 13), (3, 3), (1, 1), p=1), "RGB, not lightness"),
        peer("chromatic_aberration", 2, alb.ChromaticAberration(**red_blue, mode="red_blue", p=1), "radial"),
    ]


def _kornia() -> list[Peer]:
    """Return kornia's on the CPU; the tensors (float32 in 0 to 1) are there before the clock starts."""
    import kornia
    import numpy as np
    import torch

    torch.set_num_threads(1)
    filters, enhance, color = kornia.filters, kornia.enhance, kornia.color

    def peer(type: str, severity: float, call: Callable[[Any], Any], differs: str = "real numbers") -> Peer:
        def prepare(image: Pixels) -> Call:
            tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].float() / 255
            return lambda: call(tensor)

        return Peer("kornia", type, severity, prepare, differs)

    down, across = np.mgrid[-6:7, -6:7]
    disk = torch.from_numpy((down**2 + across**2 <= 36).astype(np.float32))[None]
    salt = kornia.augmentation.RandomSaltAndPepperNoise((0.09, 0.09), (0.5, 0.5), p=1)

    def chroma(image: Any) -> Any:
        lab = color.rgb_to_lab(image)
        lab[:, 1:] *= 3
        return color.lab_to_rgb(lab)

    def noise(image: Any) -> Any:
        return (image + 0.18 * torch.randn_like(image)).clamp(0, 1)

    def jpeg(image: Any) -> Any:
        return enhance.jpeg_codec_differentiable(image, torch.tensor([15.0]))

    def contrast(image: Any) -> Any:
        return enhance.adjust_contrast_with_mean_subtraction(image, 0.4)

    def blur(image: Any) -> Any:
        return filters.gaussian_blur2d(image, (13, 13), (3.0, 3.0), "replicate")

    return [
        peer("gaussian_blur", 3, blur),
        peer("lens_blur", 6, lambda image: filters.filter2d(image, disk, "replicate", True), "hard rim"),
        peer("motion_blur", 15, lambda image: filters.motion_blur(image, 15, 30.0, 0.0, "replicate")),
        peer("white_noise", 0.18**2, noise),
        peer("impulse_noise", 0.09, salt, "all channels at once"),
        peer("jpeg", 15, jpeg, "a model of the codec"),
        peer("contrast_scale", 0.4, contrast),
        peer("mean_shift", 0.15, lambda image: enhance.adjust_brightness(image, 0.15)),
        peer("gamma", 0.6, lambda image: enhance.adjust_gamma(image, 0.6)),
        peer("saturation_hsv", 0.1, lambda image: enhance.adjust_saturation(image, 0.1)),
        peer("saturation_lab", 3, chroma),
        peer("posterization", 3, lambda image: enhance.posterize(image, 3)),
        peer("sharpen", 1, lambda image: filters.unsharp_mask(image, (13, 13), (3.0, 3.0)), "RGB"),
    ]
