"""How fast a corpus becomes a dataset, beside copying its files, beside decoding them with nothing else done
(the floor of whatever looks at pixels), and beside ``datasets``' imagefolder builder.

    python benchmarks/dataset.py                 # 2,000 and 4,000 pictures of 512x384
    python benchmarks/dataset.py --pictures 7000 # 7,000 and 14,000

The pictures are photographs that ship with Eyechart with noise on them, as PNG, with a table as for one's own
folder. Each way runs in a process of its own on files that were just read; its time is without imports, its
memory is the most that it held, imports included. Results go to benchmarks/results/dataset.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

RESULTS = Path(__file__).parent / "results" / "dataset"
HEIGHT, WIDTH = 384, 512
# The codes that have a label in paper8, so that nothing is left out.
CODES = ("01", "02", "03", "07", "08", "09", "10", "11", "12", "13", "14", "16", "17", "19", "25")
LEVELS = 5


def main() -> None:
    """Measure every way at N and 2N pictures, or one way where this is the child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000, help="N; 2N is measured too")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    parser.add_argument("--way", choices=sorted(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure(options.way, options.folder)
        return
    rows = []
    with tempfile.TemporaryDirectory(prefix="eyechart-") as work:
        for number in (options.pictures, 2 * options.pictures):
            folder = Path(work) / str(number)
            size = make_corpus(folder / "corpus", number)
            for way in WAYS:
                warm(folder / "corpus")
                rows.append({"pictures": number, "bytes": size, **child(way, folder)})
            shutil.rmtree(folder)
    report(rows, options.out)


def make_corpus(root: Path, number: int) -> int:
    """Write a partial KADID-10k of ``number`` distorted pictures; return the size of all files in bytes."""
    from eyechart.corpora.photos import packaged_photos, read_photo
    from eyechart.corpora.types import TYPES

    photos = [read_photo(photo.path) for photo in packaged_photos()]
    (root / "images").mkdir(parents=True)
    cells = [f"{code}_{level:02}" for code in CODES for level in range(1, LEVELS + 1)]
    lines = ["file,distortion,reference,level,score"]
    for at in range(-(-number // len(cells))):
        name = f"I{at + 1:03}"
        clean = np.ascontiguousarray(cv2.resize(photos[at % len(photos)], (WIDTH, HEIGHT)))
        turn = at // len(photos)  # the same photograph again: mirrored, upside down, both
        clean = clean[:: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]
        cv2.imwrite(str(root / "images" / f"{name}.png"), clean[..., ::-1])
        lines.append(f"images/{name}.png,none,,,")
        for cell in cells[: number - at * len(cells)]:
            draw = np.random.default_rng([at, int(cell[:2]), int(cell[3:])])
            noise = draw.integers(0, 16, clean.shape, dtype=np.uint8)
            noisy = np.where(clean < 240, clean + noise, clean)
            cv2.imwrite(str(root / "images" / f"{name}_{cell}.png"), noisy[..., ::-1])
            kind = TYPES["kadid10k"][cell[:2]]
            lines.append(f"images/{name}_{cell}.png,{kind},images/{name}.png,{int(cell[3:])},0.5")
    (root / "images.csv").write_text("\n".join(lines) + "\n")
    return sum(path.stat().st_size for path in (root / "images").iterdir())


def warm(root: Path) -> None:
    """Read every file once, so that no way pays for the disk."""
    for path in root.rglob("*.*"):
        path.read_bytes()


def child(way: str, folder: Path) -> dict[str, object]:
    """Measure one way in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    print(f"{way}: {found}", file=sys.stderr)
    return found


def measure(way: str, folder: Path) -> None:
    """Run one way and print what it took."""
    start = WAYS[way](folder / "corpus", folder / way)
    seconds = time.perf_counter() - start
    from eyechart.runs import peak_rss_mib

    print(json.dumps({"way": way, "seconds": seconds, "peak_bytes": (peak_rss_mib() or 0) * 2**20}))


def copy(corpus: Path, out: Path) -> float:
    """Copy the files."""
    start = time.perf_counter()
    shutil.copytree(corpus, out)
    return start


def decode(corpus: Path, out: Path) -> float:
    """Read and decode every picture in one thread per processor; nothing is written to ``out``."""
    from eyechart.corpora.decode import decode as pixels_of
    from eyechart.dataset.ahead import ahead

    start = time.perf_counter()
    files = sorted((corpus / "images").iterdir())
    shapes = list(ahead(lambda path: pixels_of(path.read_bytes(), path.name).shape, files))
    assert len(shapes) == len(files)
    return start


def eyechart(corpus: Path, out: Path) -> float:
    """Build an Eyechart dataset: decode, compare with the reference, hash, join scenes, write Parquet."""
    from eyechart.dataset import DatasetConfig, build_dataset

    config = DatasetConfig.of(name="benchmark", corpora=[{"name": "folder", "path": corpus}])
    start = time.perf_counter()
    dataset = build_dataset(config, out)
    kept, had = sum(dataset.record()["images"].values()), len(list((corpus / "images").iterdir()))
    assert kept > 0.95 * had, (kept, had)
    return start


def imagefolder(corpus: Path, out: Path) -> float:
    """Load with the imagefolder builder and write Parquet: nothing is decoded, compared or hashed."""
    import datasets

    start = time.perf_counter()
    loaded = datasets.load_dataset("imagefolder", data_dir=str(corpus), split="train", cache_dir=str(out))
    loaded.to_parquet(str(out / "train.parquet"))
    return start


WAYS: dict[str, Callable[[Path, Path], float]] = {
    "copy": copy,
    "decode": decode,
    "eyechart": eyechart,
    "imagefolder": imagefolder,
}


def report(rows: list[dict[str, object]], out: Path) -> None:
    """Write the raw numbers and a table, and print the table."""
    import os
    import platform
    from importlib.metadata import version

    packages = {name: version(name) for name in ("eyechart", "datasets", "pyarrow", "pillow", "numpy")}
    machine = {"processors": os.cpu_count(), "machine": platform.machine(), "system": platform.platform()}
    base = {row["pictures"]: float(str(row["seconds"])) for row in rows if row["way"] == "copy"}
    lines = ["| pictures | way | pictures/s | time beside copying | peak memory |", "|---|---|---|---|---|"]
    for row in rows:
        number, seconds = int(str(row["pictures"])), float(str(row["seconds"]))
        memory = float(str(row["peak_bytes"])) / 2**20
        ratio = seconds / base[row["pictures"]]
        lines.append(f"| {number} | {row['way']} | {number / seconds:.0f} | {ratio:.1f} | {memory:.0f} MiB |")
    own = [float(str(row["seconds"])) for row in rows if row["way"] == "eyechart"]
    facts = ", ".join(f"{key} {value}" for key, value in {**machine, **packages}.items())
    load = f"{os.getloadavg()[0]:.1f}"
    told = f"Twice the pictures take eyechart {own[1] / own[0]:.2f} times as long. {facts}; load {load}."
    table = "\n".join([*lines, "", told]) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    raw = {"rows": rows, "machine": machine, "versions": packages, "load_at_the_end": load}
    (out / "dataset.json").write_text(json.dumps(raw, indent=1) + "\n")
    (out / "dataset.md").write_text(table)
    print(table)


if __name__ == "__main__":
    main()
