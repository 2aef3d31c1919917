"""Pictures and calls that the tests of ``distort_folder`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from eyechart.distort import Pixels
from eyechart.folder import Result, distort_folder, parse_versions

TYPES = "gaussian_blur,jpeg,white_noise,gaussian_blur+jpeg"


def picture(seed: int = 0, height: int = 90, width: int = 120) -> Pixels:
    """Return a smooth picture with some grain, as 8-bit RGB."""
    draw = np.random.default_rng(seed)
    down, across = np.mgrid[:height, :width] / width
    waves = np.stack([np.sin(3 * across + k) + np.cos(5 * down * k) for k in (1, 2, 3)], axis=2)
    return np.clip(128 + 50 * waves + draw.normal(0, 8, waves.shape), 0, 255).astype(np.uint8)


def run(source: Path, out: Path, types: str = TYPES, levels: str = "2,5", **options: Any) -> Result:
    versions = parse_versions(types, levels, options.pop("severities", ()), options.pop("corpus", None))
    return distort_folder(source, out, versions, **{"jobs": 1, **options})


def table(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "manifest.parquet").set_index("image_id")


def files(out: Path) -> dict[str, bytes]:
    """Return every file but the tables that tell of the machine."""
    names = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in names
        if path.name not in ("provenance.json", "manifest.parquet")
    }
