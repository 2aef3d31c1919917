"""Make all versions of one picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import cv2
from PIL import Image

from eyechart import __version__
from eyechart.corpora.photos import SetAside, read_photo
from eyechart.distort import Distorted, Pixels, find, make_composed, psnr
from eyechart.errors import EyechartError
from eyechart.folder.records import Records, Row
from eyechart.folder.versions import Version
from eyechart.runs import writing

FORMATS = ("png", "webp")


@dataclass(frozen=True)
class Picture:
    """A picture to distort: where it lies, and its name relative to the folder that was named."""

    path: Path
    source: str


@dataclass(frozen=True)
class Job:
    """All that the versions depend on but for the picture, and where they go."""

    out: Path
    versions: tuple[Version, ...]
    seed: int
    stretch: bool
    format: str
    libraries: str


Outcome = Literal["made", "kept"] | SetAside


def make_versions(picture: Picture, job: Job) -> Iterator[Outcome]:
    """Make what is missing of a picture's versions, and yield what became of each.

    The picture is decoded once. One that cannot be read is set aside as a whole, a version that cannot be
    made of it (too large for a codec, say) on its own.

    Raises:
        EyechartError: the file system refused to write.
    """
    try:
        digest = _sha256(picture.path)
    except OSError as error:
        yield SetAside(picture.source, f"Cannot be read: {error.strerror or error}.")
        return
    records = Records(job.out, picture.source, digest)
    missing = [version for version in job.versions if _image_id(picture, version) not in records]
    for _ in range(len(job.versions) - len(missing)):
        yield "kept"
    if not missing:
        return
    try:
        pixels = read_photo(picture.path)
    except EyechartError as error:
        yield SetAside(picture.source, error.what)
        return
    for version in missing:
        yield _make(picture, pixels, version, job, records)


def _make(picture: Picture, pixels: Pixels, version: Version, job: Job, records: Records) -> Outcome:
    image_id = _image_id(picture, version)
    try:
        steps = make_composed(
            pixels, version.steps, seed=job.seed, image_id=picture.source, stretch=job.stretch
        )
    except EyechartError as error:
        return SetAside(image_id, error.what)
    except Exception as error:
        error.add_note(f"while making {image_id}")
        raise
    file = f"{image_id}.{job.format}"
    data = encoded(steps[-1].pixels, job.format)
    with writing(job.out / file) as partial:
        partial.write_bytes(data)
    asked = {"seed": job.seed, "stretch": job.stretch, "bytes": len(data)}
    made_by = {"eyechart": __version__, "libraries": job.libraries}
    names = {"image_id": image_id, "source": picture.source, "file": file}
    records.add({**names, **_row(steps, pixels), **asked, **made_by})
    return "made"


def _row(steps: tuple[Distorted, ...], original: Pixels) -> Row:
    """Return what the manifest says of the distortions and of the picture that they made."""
    kinds, last = [find(step.type) for step in steps], steps[-1].pixels
    levels = {step.level for step in steps}
    return {
        "distortion": "+".join(step.type for step in steps),
        "level": levels.pop() if len(levels) == 1 else None,
        "severity": float(steps[0].severity) if len(steps) == 1 else None,
        "psnr": psnr(last, original),
        "distortions": [step.type for step in steps],
        "families": [kind.family for kind in kinds],
        "corpora": [step.corpus for step in steps],
        "levels": [step.level for step in steps],
        "severities": [float(step.severity) for step in steps],
        "parameters": [kind.severity.name for kind in kinds],
        "units": [kind.severity.unit for kind in kinds],
        "directions": [step.direction for step in steps],
        "strengths": [float(step.strength) for step in steps],
        "redraws": sum(step.redraws for step in steps),
        "width": last.shape[1],
        "height": last.shape[0],
        "pixels_sha256": hashlib.sha256(last.tobytes()).hexdigest(),
    }


def _image_id(picture: Picture, version: Version) -> str:
    return f"{picture.source}/{version.name}"


def _sha256(path: Path) -> str:
    if not path.is_file():  # a pipe would never end
        raise OSError("not a plain file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def encoded(image: Pixels, format: str = "png") -> bytes:
    """Return an image without loss. These settings take 5 ms at 512x384; the tightest take ten times that."""
    if format == "png":
        return bytes(cv2.imencode(".png", image[..., ::-1])[1])
    stream = BytesIO()
    Image.fromarray(image).save(stream, "WEBP", lossless=True, quality=20, method=0)
    return stream.getvalue()
