"""What of a distortion reaches a model at all, after its own resizing, cropping and normalising.

Everything is measured by pushing pictures through the subject's own image processor: the picture, the same
with the distortion, and with one part of the distortion (luma, chroma, one octave of frequencies).
The share that survives is the energy of the difference behind the processor over that before it. So no family
needs to be known, whatever its tiles, patches and paddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

if TYPE_CHECKING:
    import pandas as pd

    from eyechart.subjects.subject import Subject

Pixels = NDArray[np.uint8]
Reals = NDArray[np.float64]

OCTAVES = 4  # of frequencies, counted down from the highest; the last holds all that is lower
INVISIBLE_PSNR = 48.0  # dB; what differs less than this is not to be seen in 8 bits
_LEAST = 0.5  # square grey levels; a part with less is mostly rounding
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True)
class PixelPath:
    """How a subject sees pictures of one size.

    Attributes:
        width: of the picture, in pixels.
        height: of the picture, in pixels.
        seen_pixels: pixels behind the processor that depend on the picture.
        repeats: how often each of them stands there (Qwen-VL makes two frames of a picture).
        contrast: grey levels before the processor for each unit behind it.
    """

    width: int
    height: int
    seen_pixels: int
    contrast: float
    repeats: int = 1


@dataclass(frozen=True)
class Fidelity:
    """What survives of one distortion; shares are of energy, 1 for all, NaN where there was none.

    Attributes:
        distortion: the fine type.
        level: its level.
        psnr: of the distorted picture, in dB, before the processor.
        seen_psnr: the same behind it.
        share: of the whole difference.
        luma: of its luma.
        chroma: of its chroma.
        octaves: of its octaves of frequency, the highest first.
        visible: False where the difference behind the processor is too small to be seen in 8 bits.
    """

    distortion: str
    level: int
    psnr: float
    seen_psnr: float
    share: float
    luma: float
    chroma: float
    octaves: tuple[float, ...]
    visible: bool


def pixel_path(subject: Subject, height: int, width: int) -> PixelPath:
    """Return how a subject sees pictures of one size.

    Raises:
        EyechartError: nothing behind the processor depends on the picture.
    """
    black, white = (_behind(subject, np.full((height, width, 3), v, np.uint8)) for v in (0, 255))
    moved = white != black
    if not moved.any():
        raise EyechartError(f"{subject.name} sees black and white alike", "its image processor is broken")
    contrast = 255.0 / float(np.abs(white - black)[moved].mean())
    repeats = getattr(subject.processor.image_processor, "temporal_patch_size", None) or 1
    return PixelPath(width, height, int(moved.sum()) // (3 * repeats), contrast, repeats)


def fidelity(subject: Subject, pairs: Iterable[tuple[str, int, Pixels, Pixels]]) -> list[Fidelity]:
    """Return what of each distortion reaches a subject, pooled over the pictures of a type and level.

    Args:
        subject: an open model or a zero-shot one.
        pairs: (distortion, level, picture, distorted picture); uint8 HWC RGB, all of one size.
    """
    before: dict[tuple[str, int], list[Reals]] = {}
    after: dict[tuple[str, int], list[Reals]] = {}
    path = None
    for kind, level, clean, distorted in pairs:
        path = path or pixel_path(subject, *clean.shape[:2])
        one, two = _energies(subject, path, clean, distorted)
        before.setdefault((kind, level), []).append(one)
        after.setdefault((kind, level), []).append(two)
    return [_summary(*key, np.mean(before[key], 0), np.mean(after[key], 0)) for key in before]


def table(found: Sequence[Fidelity]) -> pd.DataFrame:
    """Return one row a type and level, with a column for each octave."""
    import pandas as pd

    rows = []
    for entry in found:
        row = asdict(entry)
        shares = row.pop("octaves")
        rows.append(row | {f"octave_{i + 1}": share for i, share in enumerate(shares)})
    return pd.DataFrame(rows)


def _energies(subject: Subject, path: PixelPath, clean: Pixels, distorted: Pixels) -> tuple[Reals, Reals]:
    """Return mean squares before and behind the processor: whole, luma, chroma, then the octaves."""
    whole = distorted.astype(np.float64) - clean
    base = _behind(subject, clean)
    one, two = [], []
    for part in _parts(whole):
        changed = np.clip(np.rint(clean + part), 0, 255).astype(np.uint8)
        one.append(float(((changed.astype(np.float64) - clean) ** 2).mean()))
        behind = (_behind(subject, changed) - base) * path.contrast
        two.append(float((behind**2).sum()) / (3 * path.seen_pixels * path.repeats))
    return np.array(one), np.array(two)


def _parts(whole: Reals) -> Iterator[Reals]:
    """Yield a difference, its luma, its chroma, and its octaves (float64 HWC)."""
    luma = np.broadcast_to((whole @ _LUMA)[..., None], whole.shape)
    yield whole
    yield luma
    yield whole - luma
    spectrum = np.fft.rfft2(whole, axes=(0, 1))
    down = np.fft.fftfreq(whole.shape[0])[:, None]
    across = np.fft.rfftfreq(whole.shape[1])[None, :]
    radius = np.maximum(np.abs(down), across)  # 0.5 is the highest frequency that pixels can hold
    for octave in range(OCTAVES):
        top = 0.5 / 2**octave
        low = top / 2 if octave < OCTAVES - 1 else -1.0
        band = (radius > low) & (radius <= top)
        yield np.fft.irfft2(spectrum * band[..., None], s=whole.shape[:2], axes=(0, 1))


def _behind(subject: Subject, image: Pixels) -> Reals:
    """Return the values that the vision encoder receives, in any order that does not depend on the image."""
    values: Any = subject.pixel_values([image])
    found: Reals = values.double().cpu().numpy().ravel()
    return found


def _summary(kind: str, level: int, before: Reals, after: Reals) -> Fidelity:
    # Rounding to 8 bits gives even an empty part an energy of up to 1/12 square grey level.
    shares = [float(b / a) if a > _LEAST else float("nan") for a, b in zip(before, after, strict=True)]
    psnr, seen = (
        10 * np.log10(255.0**2 / energy) if energy > 0 else np.inf for energy in (before[0], after[0])
    )
    whole, luma, chroma, *octaves = shares
    visible = bool(seen < INVISIBLE_PSNR)
    return Fidelity(kind, level, float(psnr), float(seen), whole, luma, chroma, tuple(octaves), visible)
