"""Photographs without distortion: those that ship with the package, or a folder of the user's own."""

from __future__ import annotations

import csv
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from eyechart.errors import EyechartError

PACKAGED = Path(__file__).parents[1] / "data" / "photos"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"})
SHORTEST_SIDE = 128  # pixels; a blur of 5 pixels means something else on a smaller picture
_FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")  # those of the suffixes: rarer decoders are less safe
MOST_PIXELS = 50_000_000  # more is a decompression bomb, or takes too long to distort many times


@dataclass(frozen=True)
class Photo:
    """One photograph.

    `content` is its unique name: all pictures made from it share it and stay in one split. `category` says
    what it shows; for a user's own folder it is "own". `split` is "train", "validation" or "test", or None
    for a user's own photograph, whose split is drawn when the dataset is built.
    """

    content: str
    path: Path
    category: str
    split: str | None


@dataclass(frozen=True)
class SetAside:
    """One item that is not used, and why."""

    item: str
    reason: str


def packaged_photos() -> list[Photo]:
    """The photographs that ship with the package, sorted by content.

    Raises:
        EyechartError: the table or one of its files is missing.
    """
    table = PACKAGED / "photos.csv"
    if not table.is_file():
        raise EyechartError(f"{table} is missing.", "Install the package again.")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [row["file"] for row in rows if not (PACKAGED / row["file"]).is_file()]
    if missing:
        raise EyechartError(f"{PACKAGED} lacks {', '.join(missing)}.", "Install the package again.")
    photos = [Photo(Path(r["file"]).stem, PACKAGED / r["file"], r["category"], r["split"]) for r in rows]
    return sorted(photos, key=lambda photo: photo.content)


def folder_photos(folder: Path) -> tuple[list[Photo], list[SetAside]]:
    """A user's own photographs: every picture file in a folder and its subfolders, sorted by path.

    Each is decoded once in full, so that a damaged one is known here and not in the middle of a study.
    `content` is the path relative to the folder, with its suffix (two files may differ in it alone).

    Returns:
        The photographs that can be used, and those set aside: unreadable, too small, too large, or with a
        name that cannot be printed.

    Raises:
        EyechartError: no such folder, or no photograph in it can be used.
    """
    if not folder.is_dir():
        raise EyechartError(f"{folder} is not a folder.", "Name a folder that holds photographs.")
    photos: list[Photo] = []
    set_aside: list[SetAside] = []
    for path in picture_files(folder):
        content = path.relative_to(folder).as_posix()
        reason = _why_not(path, content)
        if reason:
            set_aside.append(SetAside(content if content.isprintable() else ascii(content), reason))
        else:
            photos.append(Photo(content, path, "own", None))
    if not photos:
        found = "; ".join(f"{item.item}: {item.reason}" for item in set_aside[:3])
        known = ", ".join(sorted(SUFFIXES))
        what = f"{folder} holds no usable photograph ({found or 'no file with a known suffix'})."
        raise EyechartError(what, f"Put in pictures: {known}.")
    return photos, set_aside


def picture_files(folder: Path) -> list[Path]:
    """The picture files in a folder and its subfolders, by their suffixes, sorted; none is opened."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.is_dir())


def _why_not(path: Path, content: str) -> str:
    """Why a file cannot be used; empty where it can."""
    if not content.isprintable():
        return "The name holds characters that cannot be printed, so no table could hold it."
    if not path.is_file():
        return "Not a plain file."
    try:
        height, width, _ = read_photo(path).shape
    except EyechartError as error:
        return error.what
    if min(height, width) < SHORTEST_SIDE:
        return f"{width} x {height} pixels; the short side must have at least {SHORTEST_SIDE}."
    return ""


def read_photo(path: Path) -> NDArray[np.uint8]:
    """Read a photograph as sRGB: uint8, [height, width, 3], upright by its EXIF orientation.

    An embedded colour profile is converted to sRGB. Transparent parts are laid over white. 16-bit samples
    keep their upper 8 bits.

    Raises:
        EyechartError: the file is no picture, is damaged or truncated, has more than 50 million pixels, or
            samples of 32 bits, which have no agreed black and white.
    """
    try:
        image = load_upright(path)
        profile = image.info.get("icc_profile")
        image = eight_bits(image)
        converted = _from_profile(image, profile) if profile else None
        return np.asarray(converted or image.convert("RGB"))
    except Image.DecompressionBombError as error:
        what = f"{path.name} has more than {MOST_PIXELS:,} pixels."
        raise EyechartError(what, "Shrink the picture.") from error
    except Exception as error:  # decoders raise whatever the damaged bytes provoke, not one family of errors
        what = f"{path.name} cannot be read as a picture ({error})."
        raise EyechartError(what, "Save it again as PNG or JPEG, or take it out.") from error


def load_upright(source: Path | BinaryIO) -> Image.Image:
    """Decode a picture wholly and turn it upright by its EXIF orientation.

    Raises:
        Image.DecompressionBombError: more than 50 million pixels.
        Exception: whatever damaged bytes provoke in a decoder; ValueError for samples of 32 bits.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's bomb warning comes later than ours; odd metadata
        with Image.open(source, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            if image.mode in ("I", "F"):
                raise ValueError("32-bit samples")
            image.load()
            return ImageOps.exif_transpose(image)


def eight_bits(image: Image.Image) -> Image.Image:
    """Return a picture with the upper 8 of 16 bits, over white where transparent: RGB, L, CMYK or LAB."""
    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip instead of scale
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    if image.mode not in ("L", "CMYK", "LAB"):
        image = image.convert("RGB")
    return image


def _from_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """The picture in sRGB by its embedded profile; None where the profile is damaged or of another kind."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
