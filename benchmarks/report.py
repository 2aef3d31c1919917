"""How heavy a report with 2,000 gallery images is, and how long it takes to open.

    python benchmarks/report.py
    python benchmarks/report.py --contents 21 --runs 3

A run is written with the answers of five arms, in two ways and three wordings, to 24 images of each content;
the images are parts of photographs at 512 x 384 with real distortions. Its report is built, and headless
Chromium opens the page several times. Told is the time from navigation to the end of the load event, and to
the first paint; the page lies in the file system's cache. Results go to benchmarks/results/report.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.distort import Pixels, distort
from eyechart.provenance import provenance
from eyechart.report import build_report
from eyechart.report.gallery import keep_gallery
from eyechart.runs import Run
from eyechart.seeds import rng

TESTS = str(Path(__file__).parents[1] / "tests")
sys.path.insert(0, TESTS)
from run_fixture import make_run  # noqa: E402

sys.path.remove(TESTS)

RESULTS = Path(__file__).parent / "results" / "report"
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run")
SECONDS, MEGABYTES = 2.0, 30.0  # what a page may take
WIDTH, HEIGHT = 512, 384
MADE = {  # a distortion of each label
    "blur": "gaussian_blur",
    "noise": "white_noise",
    "brightness": "brighten",
    "compression": "jpeg",
    "contrast": "contrast_change",
    "colorfulness": "saturation_hsv",
    "jitter": "jitter",
}


def main() -> None:
    """Build the page, open it, and keep what that took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--contents", type=int, default=84, help="of 24 images each")
    parser.add_argument("--runs", type=int, default=5, help="how often the page is opened")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", inside=False, contents=options.contents)
        real_gallery(run)
        began = time.perf_counter()
        page = build_report(run.path)
        built = time.perf_counter() - began
        opened = [open_page(page) for _ in range(options.runs)]
        found = summary(page, built, opened)
    keep(found)


def real_gallery(run: Run) -> None:
    """Keep the gallery again, of real distortions of real photographs."""
    images = run.read_table("arms/base/answers").drop_duplicates("image_id")
    rows = {str(row["image_id"]): row for row in images.to_dict("records")}
    keep_gallery(run, images, lambda ids: [picture(rows[name]) for name in ids])


def picture(row: dict[Any, Any]) -> Pixels:
    """Return a part of a photograph that bears the row's distortion; another part for every image."""
    draw = rng(0, str(row["image_id"]))
    whole = distorted(str(row["label"]), int(row["level"]), int(draw.integers(4)))
    top, left = (int(draw.integers(size)) for size in (whole.shape[0] - HEIGHT, whole.shape[1] - WIDTH))
    return whole[top : top + HEIGHT, left : left + WIDTH]


@cache
def distorted(label: str, level: int, number: int) -> Pixels:
    """Return a photograph a quarter larger than the images, distorted as a whole."""
    import cv2

    pixels: Pixels = cv2.resize(
        read_photo(packaged_photos()[number].path), (640, 480), interpolation=cv2.INTER_AREA
    )
    made = distort(pixels, MADE[label], level=level) if level else pixels
    return np.asarray(made, dtype=np.uint8)


def open_page(page: Path) -> dict[str, float]:
    """Open a page in a fresh headless Chromium and return the seconds that it took."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    for option in OPTIONS:
        options.add_argument(option)
    with Chrome(options=options, service=Service(shutil.which("chromedriver"))) as browser:
        browser.get("about:blank")
        browser.get(page.as_uri())
        navigation = browser.execute_script("return performance.getEntriesByType('navigation')[0].toJSON()")
        paint = browser.execute_script("return performance.getEntriesByType('paint')[0]?.startTime ?? NaN")
        filter_ms = """const select = document.querySelector('#filter [name=outcome]');
            const began = performance.now(); select.value = 'wrong';
            select.dispatchEvent(new Event('change', {bubbles: true}));
            document.body.getBoundingClientRect(); return performance.now() - began"""
        return {
            "load": navigation["loadEventEnd"] / 1000,
            "first_paint": paint / 1000,
            "filter": browser.execute_script(filter_ms) / 1000,
        }


def summary(page: Path, built: float, opened: list[dict[str, float]]) -> dict[str, Any]:
    """Return what was measured: medians and worst of the openings, sizes, machine."""
    text = page.read_text(encoding="utf-8")
    return {
        "images": text.count('class="card"'),
        "megabytes": page.stat().st_size / 1e6,
        "build_seconds": built,
        **{name: statistics.median(one[name] for one in opened) for name in opened[0]},
        **{f"{name}_worst": max(one[name] for one in opened) for name in opened[0]},
        "openings": len(opened),
        "load_average": os.getloadavg()[0],
        "provenance": provenance(),
    }


def keep(found: dict[str, Any]) -> None:
    """Write the results as JSON and Markdown, print them, and fail where the page is too heavy or slow."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "report.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    fits = found["load"] <= SECONDS and found["megabytes"] <= MEGABYTES
    machine, load = found["provenance"], f"{found['load']:.2f} s (worst {found['load_worst']:.2f})"
    rows = [
        ("gallery images", f"{found['images']:,}", ""),
        ("size of the page", f"{found['megabytes']:.1f} MB", f"{MEGABYTES:.0f} MB"),
        ("navigation to the end of the load event", load, f"{SECONDS:.0f} s"),
        ("navigation to the first paint", f"{found['first_paint']:.2f} s", ""),
        ("a filter", f"{found['filter']:.2f} s", ""),
        ("building the page from the run", f"{found['build_seconds']:.0f} s", ""),
    ]
    lines = ["# The report with a full gallery", "", "| measured | value | allowed |", "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += [
        "",
        f"Medians of {found['openings']} openings in headless Chromium; {machine['cpu']}, {machine['cores']} "
        f"cores, load average {found['load_average']:.1f}. Made by `python benchmarks/report.py`.",
    ]
    text = "\n".join(lines) + "\n"
    (RESULTS / "report.md").write_text(text, encoding="utf-8")
    print(text)
    if not fits:
        raise SystemExit("the page is too heavy or too slow")


if __name__ == "__main__":
    main()
