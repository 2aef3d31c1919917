"""Distort an image: one type, or several in a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from PIL import Image

from eyechart.distort.formats import as_rgb
from eyechart.distort.pixels import psnr, rounded, stretched
from eyechart.distort.registry import Distortion, Pixels, Redrawn, find
from eyechart.errors import EyechartError
from eyechart.seeds import rng

Picture = TypeVar("Picture", Pixels, Image.Image)


@dataclass(frozen=True)
class Distorted:
    """A distorted image with all that made it.

    Attributes:
        pixels: uint8 HWC RGB.
        type: the distortion's name.
        severity: the parameter used; NaN at level 0.
        corpus: whose level, or empty where a severity was given.
        level: the level, or None where a severity was given.
        direction: 0 where this severity changes nothing, else the side of a signed parameter, 1 or -1.
        strength: how far the severity is from one that changes nothing.
        psnr: of ``pixels`` against the image, in dB; infinite where nothing changed.
        redraws: how many damaged bitstreams could not be decoded and were drawn again.
    """

    pixels: Pixels
    type: str
    severity: float
    corpus: str
    level: int | None
    direction: int
    strength: float
    psnr: float
    redraws: int


@dataclass(frozen=True)
class Step:
    """One distortion of a composition: its type with a level (of a corpus) or a severity."""

    type: str
    level: int | None = None
    severity: float | None = None
    corpus: str | None = None


def distort(
    image: Picture,
    type: str,
    *,
    level: int | None = None,
    severity: float | None = None,
    corpus: str | None = None,
    seed: int = 0,
    image_id: str = "",
    stretch: bool = False,
) -> Picture:
    """Return a distorted copy of an image.

    Args:
        image: uint8 array (height, width), or (height, width, 1 to 4), or a Pillow image of mode RGB, L, RGBA
            or LA; the same kind is returned. Alpha is kept.
        type: the distortion's name, see :func:`registry`.
        level: 1 to 5, as the corpus defines them; 0 changes nothing; or
        severity: the distortion's own parameter. Exactly one of both.
        corpus: whose levels; None takes the type's first.
        seed: seed of the random distortions; together with ``type`` and
        image_id: it fixes the noise, whatever else was drawn before.
        stretch: spread the values over 0 to 255 before and after, as KADID-10k's generator did.

    Raises:
        EyechartError: unknown type, level or corpus, severity out of range, or an image of another kind.
    """
    rgb, back = as_rgb(image)
    step = Step(type, level, severity, corpus)
    if level == 0:
        _checked(step)
        return back(rgb.copy())  # type: ignore[no-any-return]
    found, amount = _severity(rgb, step, seed, image_id)
    return back(at_severity(found, rgb, amount, seed, image_id, stretch)[0])  # type: ignore[no-any-return]


def make_distorted(
    image: Pixels, step: Step, *, seed: int = 0, image_id: str = "", stretch: bool = False
) -> Distorted:
    """Distort an image and return its RGB pixels with all that made them; else as :func:`distort`."""
    rgb, _ = as_rgb(image)
    return _made(rgb, step, seed, image_id, stretch)


def compose(image: Picture, steps: Sequence[Step], *, seed: int = 0, image_id: str = "") -> Picture:
    """Return an image distorted by several types, one after the other; each draws its own noise.

    Raises:
        EyechartError: as :func:`distort`, or there is no step.
    """
    if not steps:
        raise EyechartError("a composition needs at least one step", 'e.g. [Step("gaussian_blur", level=2)]')
    rgb, back = as_rgb(image)
    return back(make_composed(rgb, steps, seed=seed, image_id=image_id)[-1].pixels)  # type: ignore[no-any-return]


def make_composed(
    image: Pixels, steps: Sequence[Step], *, seed: int = 0, image_id: str = "", stretch: bool = False
) -> tuple[Distorted, ...]:
    """Return what each step of a composition made of the one before; the last has the final pixels."""
    rgb, _ = as_rgb(image)
    made: list[Distorted] = []
    for place, step in enumerate(steps):
        made.append(_made(rgb, step, seed, image_id if place == 0 else f"{image_id}\x1f{place}", stretch))
        rgb = made[-1].pixels
    return tuple(made)


def at_severity(
    found: Distortion, rgb: Pixels, severity: float, seed: int, image_id: str, stretch: bool = False
) -> tuple[Pixels, int]:
    """Return the distorted RGB image and the number of redraws."""
    draw = rng(seed, "distort", found.name, image_id)
    made = found.make(rounded(stretched(rgb)) if stretch else rgb, severity, draw)
    redraws = 0
    if isinstance(made, Redrawn):
        made, redraws = made
    if stretch:
        made = stretched(made)
    return rounded(made) if made.dtype != np.uint8 else made, redraws  # type: ignore[return-value, arg-type]


def _made(rgb: Pixels, step: Step, seed: int, image_id: str, stretch: bool) -> Distorted:
    found = _checked(step)
    corpus = step.corpus or found.corpora[0]
    if step.level == 0:
        return Distorted(rgb.copy(), found.name, float("nan"), corpus, 0, 0, 0.0, float("inf"), 0)
    _, severity = _severity(rgb, step, seed, image_id)
    pixels, redraws = at_severity(found, rgb, severity, seed, image_id, stretch)
    return Distorted(
        pixels,
        found.name,
        severity,
        corpus if step.level is not None else "",
        step.level,
        found.severity.direction(severity),
        found.severity.strength(severity),
        psnr(pixels, rgb),
        redraws,
    )


def _checked(step: Step) -> Distortion:
    """Return a step's distortion; refuse an unknown one, and a step without or with two strengths."""
    found = find(step.type)
    if (step.level is None) == (step.severity is None):
        raise EyechartError(
            "name either a level or a severity", f"e.g. distort(image, {step.type!r}, level=3)"
        )
    return found


def _severity(rgb: Pixels, step: Step, seed: int, image_id: str) -> tuple[Distortion, float]:
    """Return a step's distortion and its severity on this image."""
    found = _checked(step)
    if step.severity is not None:
        return found, found.check(float(step.severity))
    level, corpus = step.level or 0, step.corpus or found.corpora[0]
    found.check_level(level, corpus)
    if corpus not in found.targets:
        return found, found.at_level(level, corpus)
    from eyechart.distort.calibration import level_of_target

    return found, level_of_target(found, rgb, level, corpus, seed, image_id)
