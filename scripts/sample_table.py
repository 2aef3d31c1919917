"""Compare real pictures of the corpora with Eyechart's own: is the same type the closest one?

    python scripts/sample_table.py ../shared/data

Each sample lies beside its reference. Every type of the sample's corpus is made from the reference: at the
sample's level where the corpus published one, else at the sample's own PSNR. Then the sample is compared with
all of them: by PSNR, by SSIM, and by the distance of the ten pixel statistics (each in units of its standard
deviation over the types). A rank of 1 says that the same type is the closest. For a random type no two draws
agree pixel by pixel, so only its statistics can be close.

Writes ``benchmarks/results/distort/samples.json`` and ``samples.md``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from eyechart.corpora.types import TYPES
from eyechart.distort import Pixels, calibrate, distort, find, psnr
from eyechart.measures.pixel_features import pixel_features

OUT = Path(__file__).parents[1] / "benchmarks" / "results" / "distort"
_KADID = "kadid10k/samples/images"
_LIVE = "live/samples"


@dataclass(frozen=True)
class Sample:
    """A real distorted picture, its reference, and its type; the level where the corpus published one."""

    file: str
    reference: str
    corpus: str
    type: str
    level: int | None = None


SAMPLES = (
    Sample(f"{_KADID}/I01_01_02.png", f"{_KADID}/I01.png", "kadid10k", "gaussian_blur", 2),
    Sample(f"{_KADID}/I01_01_05.png", f"{_KADID}/I01.png", "kadid10k", "gaussian_blur", 5),
    Sample(f"{_KADID}/I01_06_05.png", f"{_KADID}/I01.png", "kadid10k", "color_quantization", 5),
    Sample(f"{_KADID}/I01_15_05.png", f"{_KADID}/I01.png", "kadid10k", "denoise", 5),
    Sample(
        "tid2013/samples/distorted_images/i01_01_5.bmp",
        "tid2013/samples/reference_images/I01.BMP",
        "tid2013",
        "white_noise",
        5,
    ),
    Sample(f"{_LIVE}/distorted/gblur_monarch_2.bmp", f"{_LIVE}/refimgs/monarch.bmp", "live", "gaussian_blur"),
    Sample(f"{_LIVE}/distorted/jpeg_monarch_3.bmp", f"{_LIVE}/refimgs/monarch.bmp", "live", "jpeg"),
    Sample(f"{_LIVE}/distorted/wnoise_monarch_1.bmp", f"{_LIVE}/refimgs/monarch.bmp", "live", "white_noise"),
    Sample(f"{_LIVE}/distorted/wnoise_monarch_5.bmp", f"{_LIVE}/refimgs/monarch.bmp", "live", "white_noise"),
)


@dataclass(frozen=True)
class Row:
    """One sample's comparison: closeness of the same type, its ranks among all, and the closest other."""

    sample: str
    type: str
    types: int
    psnr: float
    psnr_rank: int
    ssim: float
    ssim_rank: int
    statistics: float
    statistics_rank: int
    closest_other: str


def read(path: Path) -> Pixels:
    """Read a picture as RGB."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def ours(sample: Sample, reference: Pixels, real: Pixels, type: str) -> Pixels:
    """Return one of Eyechart's types on the reference, as strong as the sample."""
    if sample.corpus == "kadid10k":
        return distort(reference, type, level=sample.level, corpus="kadid10k", stretch=True)
    if sample.level is not None:
        return distort(reference, type, level=sample.level, corpus=sample.corpus)
    severity = calibrate(reference, type, psnr=psnr(real, reference)).severity
    return distort(reference, type, severity=severity)


def compare(sample: Sample, data: Path) -> Row:
    """Return one sample's row."""
    reference, real = read(data / sample.reference), read(data / sample.file)
    names = sorted(set(TYPES["kadid10k" if sample.corpus == "live" else sample.corpus].values()))
    if sample.corpus == "live":  # five types would be too few to confuse
        names = sorted({*names, *TYPES["live"].values(), *TYPES["tid2013"].values()})
    pictures = {name: ours(sample, reference, real, find(name).name) for name in names}
    features = pixel_features([real, *pictures.values()])
    spread = features[1:].std(axis=0) + 1e-9
    distances = dict(zip(names, np.linalg.norm((features[1:] - features[0]) / spread, axis=1), strict=True))
    closeness = {name: min(psnr(picture, real), 99.0) for name, picture in pictures.items()}
    similarity = {
        name: float(structural_similarity(picture, real, channel_axis=2))
        for name, picture in pictures.items()
    }
    others = {name: found for name, found in distances.items() if name != sample.type}
    return Row(
        Path(sample.file).name,
        sample.type,
        len(names),
        round(closeness[sample.type], 1),
        1 + sum(found > closeness[sample.type] for found in closeness.values()),
        round(similarity[sample.type], 3),
        1 + sum(found > similarity[sample.type] for found in similarity.values()),
        round(float(distances[sample.type]), 2),
        1 + sum(bool(found < distances[sample.type]) for found in distances.values()),
        min(others, key=lambda name: others[name]),
    )


def table(rows: list[Row]) -> str:
    """Return the comparison as Markdown."""
    lines = [
        "| real picture | type | PSNR, dB (rank) | SSIM (rank) | statistics (rank) | next by statistics |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.sample,
            row.type,
            f"{'equal' if row.psnr == 99 else row.psnr} ({row.psnr_rank} of {row.types})",
            f"{row.ssim} ({row.ssim_rank})",
            f"{row.statistics} ({row.statistics_rank})",
            row.closest_other,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main(data: Path) -> None:
    """Compare every sample and write the table."""
    rows = [compare(sample, data) for sample in SAMPLES]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "samples.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    (OUT / "samples.md").write_text(table(rows))
    print(table(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
