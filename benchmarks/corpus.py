"""A whole corpus like KADID-10k, made by the command itself in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from distort import photographs  # type: ignore[attr-defined]
from PIL import Image

COLUMNS = {
    "contents": "contents",
    "images": "images",
    "seconds": "seconds",
    "ms_per_image": "ms per image",
    "cpu_seconds": "processor seconds",
    "load": "load",
    "largest_process_mib": "largest process, MiB",
    "gigabytes": "GB",
}
SCRIPT = "from eyechart.cli.main import main; main()"


def measure_corpus(contents: int, jobs: int) -> tuple[dict[str, Any], str]:
    """Return the raw numbers and the table: half of the contents, then all of them, each from nothing."""
    runs = [_run(max(1, contents // 2), jobs), _run(contents, jobs)]
    table = (
        f"All types of KADID-10k at its five levels, 512x384, {jobs} workers, by `eyechart distort`: "
        "reading, distorting, writing PNG, manifest. Load: of the whole machine, mean of 15 minutes.\n\n"
        f"| {' | '.join(COLUMNS.values())} |\n{'|---' * len(COLUMNS)}|\n"
    )
    table += "".join(f"| {' | '.join(str(run[key]) for key in COLUMNS)} |\n" for run in runs)
    return {"jobs": jobs, "runs": runs}, table


def _run(contents: int, jobs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "in", Path(folder) / "out"
        source.mkdir()
        for name, image in photographs(contents):
            Image.fromarray(image).save(source / f"{name}.png", compress_level=1)
        words = [str(source), str(out), "--types", "all", "--corpus", "kadid10k", "--jobs", str(jobs)]
        clock = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", SCRIPT, "distort", *words])
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - clock
        if status:
            raise SystemExit(f"the command failed ({os.waitstatus_to_exitcode(status)})")
        made = list(out.rglob("*.png/*.png"))
        return {
            "contents": contents,
            "images": len(made),
            "seconds": round(seconds, 1),
            "ms_per_image": round(seconds * 1000 / len(made), 2),
            "load": round(os.getloadavg()[2], 2),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "largest_process_mib": round(usage.ru_maxrss / 1024, 1),
            "gigabytes": round(sum(path.stat().st_size for path in made) / 1e9, 3),
        }
