"""The full-reference stand-in: where a dataset has no opinion scores, how like its original a picture is.

SSIM (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13:600, 2004) against the pristine picture: Gaussian window of
sigma 1.5, K1 = 0.01, K2 = 0.03, mean over the three colour channels, computed by scikit-image. It is no
opinion: it weighs types of distortion in its own way (harsh on displaced pixels, mild on colour), so that a
bias by type against it is partly its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from eyechart.dataset.ahead import ahead
from eyechart.distort import psnr
from eyechart.progress import track
from eyechart.subjects.model import Pixels
from eyechart.taxonomy import CLEAN

NAME = "SSIM"
TOLD = "full-reference stand-in (SSIM against the pristine picture), not opinion"
_WINDOW = 11  # px of the Gaussian window; a smaller picture has no SSIM
_SAME = 1e-6  # dB; the dataset tells the PSNR against the original, which so is known again

Load = Callable[[Sequence[str]], list[Pixels]]


def stand_ins(table: pd.DataFrame, clean: pd.DataFrame, load: Load, clean_load: Load) -> list[float]:
    """Return the stand-in of each picture: 1 for one without distortion, NaN where no original is there.

    The original of a picture is its reference where that is in the dataset; else the clean crop of the same
    content against which the picture has the PSNR that the dataset tells.

    Args:
        table: rows of the dataset.
        clean: rows of the clean pictures of the same contents.
        load: gives pictures of ``table`` by their image_ids.
        clean_load: gives pictures of ``clean``.
    """
    found = dict.fromkeys(table["image_id"], math.nan)
    contents = [part for _, part in table.groupby("content", sort=False)]
    originals = dict(list(clean.groupby("content", sort=False)))

    def of_content(part: pd.DataFrame) -> dict[str, float]:
        own = originals.get(part["content"].iloc[0])
        return {} if own is None else dict(_of_content(part, own, load, clean_load))

    for told in track(ahead(of_content, contents), f"{NAME} against the originals", len(contents)):
        found |= told
    return [found[name] for name in table["image_id"]]


def _of_content(
    part: pd.DataFrame, clean: pd.DataFrame, load: Load, clean_load: Load
) -> Iterator[tuple[str, float]]:
    originals = dict(zip(clean["image_id"], clean_load(clean["image_id"].tolist()), strict=True))
    pictures = load(part["image_id"].tolist())
    for (_, row), picture in zip(part.iterrows(), pictures, strict=True):
        if row["distortion"] == CLEAN:
            yield row["image_id"], 1.0
            continue
        original = originals.get(row["reference"], _by_psnr(picture, row["psnr"], originals.values()))
        if original is not None and original.shape == picture.shape:
            yield row["image_id"], similarity(picture, original)


def _by_psnr(picture: Pixels, told: float, originals: object) -> Pixels | None:
    alike: Iterator[Pixels] = (one for one in originals if one.shape == picture.shape)  # type: ignore[attr-defined]
    return next((one for one in alike if abs(psnr(picture, one) - told) < _SAME), None)


def similarity(picture: Pixels, original: Pixels) -> float:
    """Return the SSIM of two pictures, uint8 HWC RGB of one size; NaN for one smaller than the window."""
    from skimage.metrics import structural_similarity

    if min(picture.shape[:2]) < _WINDOW:
        return math.nan
    return float(
        structural_similarity(
            original,
            picture,
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
