"""Small partial copies of KADID-10k and TID2013 with real distortions, in their published layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from eyechart.corpora.dead_leaves import dead_leaves
from eyechart.distort import distort

SIZE = (128, 160)  # height, width
CELLS = {  # KADID's code and level to what makes the picture
    "01_05": ("gaussian_blur", 5),
    "10_05": ("jpeg", 5),
    "11_05": ("white_noise", 5),
    "25_01": ("contrast_change", 1),
}
UNCHANGED, WITHOUT_LABEL = "08_01", "06_05"  # equals its reference; has no label in paper8


def reference(number: int) -> NDArray[np.uint8]:
    """Return the picture of KADID's reference of that number."""
    return dead_leaves(number, *SIZE)


def kadid10k(root: Path, references: int = 8) -> Path:
    """The first references with six distorted pictures each; scores are made up."""
    (root / "images").mkdir(parents=True)
    lines = ["dist_img,ref_img,dmos,var"]
    for number in range(1, references + 1):
        name, clean = f"I{number:02}", reference(number)
        Image.fromarray(clean).save(root / "images" / f"{name}.png")
        made = {cell: distort(clean, kind, level=level) for cell, (kind, level) in CELLS.items()}
        made |= {UNCHANGED: clean, WITHOUT_LABEL: clean // 64 * 64}
        for at, (cell, picture) in enumerate(sorted(made.items())):
            file = f"{name}_{cell}.png"
            Image.fromarray(picture).save(root / "images" / file)
            lines.append(f"{file},{name}.png,{1.5 + at / 2},0.5")
    (root / "dmos.csv").write_text("\n".join(lines) + "\n")
    return root


def tid2013(root: Path) -> Path:
    """Three references in mixed case, one of which is a resized KADID picture, with two distorted each."""
    for folder in ("reference_images", "distorted_images"):
        (root / folder).mkdir(parents=True)
    scenes = {"I01.BMP": dead_leaves(101, *SIZE), "I02.BMP": dead_leaves(102, *SIZE)}
    larger = Image.fromarray(reference(3)).resize((200, 160), Image.Resampling.LANCZOS)
    scenes["i25.bmp"] = np.asarray(larger)
    scores = []
    for file, clean in scenes.items():
        Image.fromarray(clean).save(root / "reference_images" / file)
        for code, kind in (("08", "gaussian_blur"), ("10", "jpeg")):
            name = f"i{file[1:3]}_{code}_5.bmp"
            Image.fromarray(distort(clean, kind, level=5)).save(root / "distorted_images" / name)
            scores.append(f"{2 + int(code) / 10:.5f} {name}")
    (root / "mos_with_names.txt").write_text("\r\n".join(scores) + "\r\n")
    return root
