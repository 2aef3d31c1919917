"""How fast the distortions are: per type beside other libraries, and a whole corpus by the command.

    pip install imagecorruptions-imaug==1.1.5 albumentations==2.0.8 kornia     # optional: the peers
    python benchmarks/distort.py                 # ms per type at 512x384, one core
    python benchmarks/distort.py --corpus        # 81 contents x 25 types x 5 levels, two workers

Results go to benchmarks/results/distort: raw numbers as JSON, tables as Markdown.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from eyechart.corpora.photos import packaged_photos, read_photo
from eyechart.distort import Pixels, calibrate, distort, registry
from eyechart.provenance import provenance

WIDTH, HEIGHT = 512, 384
RESULTS = Path(__file__).parent / "results" / "distort"
# The ten commonest types, and the time in ms that they may take together.
COMMONEST = (
    "gaussian_blur", "lens_blur", "motion_blur", "white_noise", "impulse_noise",
    "jpeg", "jpeg2000", "saturation_hsv", "contrast_change", "brighten",
)  # fmt: skip
BAR = 65.0
SECONDS = 0.4  # per type, severity and photograph

Prepare = Callable[[Pixels], Callable[[], Any]]


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--corpus", action="store_true", help="the whole corpus by the command")
    parser.add_argument("--contents", type=int, default=81, help="contents of the corpus")
    parser.add_argument("--jobs", type=int, default=2, help="workers of the command")
    parser.add_argument("--photos", type=int, default=3, help="photographs per type")
    parser.add_argument("--types", nargs="*", help="only these types")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.corpus:
        from corpus import measure_corpus  # type: ignore[import-not-found]

        result, table = measure_corpus(options.contents, options.jobs)
    else:
        result, table = measure_types(options.photos, options.types)
    name = "corpus" if options.corpus else "types"
    result = {**result, "machine": provenance()}
    (options.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (options.out / f"{name}.md").write_text(table, encoding="utf-8")
    print(table)


def photographs(count: int) -> Iterator[tuple[str, Pixels]]:
    """Yield photographs of 512x384: the packaged ones scaled to cover it and cut; then the same mirrored."""
    photos = packaged_photos()
    for place in range(count):
        photo, mirrored = photos[place % len(photos)], place >= len(photos)
        image = read_photo(photo.path)
        scale = max(WIDTH / image.shape[1], HEIGHT / image.shape[0])
        size = (max(WIDTH, round(image.shape[1] * scale)), max(HEIGHT, round(image.shape[0] * scale)))
        scaled = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
        top, left = (scaled.shape[0] - HEIGHT) // 2, (scaled.shape[1] - WIDTH) // 2
        cut = scaled[top : top + HEIGHT, left : left + WIDTH]
        yield photo.content + "-mirrored" * mirrored, np.ascontiguousarray(cut[:, ::-1] if mirrored else cut)


def measure_types(photos: int, only: list[str] | None) -> tuple[dict[str, Any], str]:
    """Return the raw numbers and the table of every type: one core, no encoding of the result."""
    from peers import peers  # type: ignore[import-not-found]

    cv2.setNumThreads(1)
    images = [image for _, image in photographs(photos)]
    names = [name for name in registry() if not only or name in only]
    ours = {}
    for name in names:
        print(name, file=sys.stderr)
        severities = _severities(name, images[0])
        times = [_ms(images, _ours(name, severity))[0] for severity in severities]
        ours[name] = {"corpus": registry()[name].corpora[0], "severities": severities, "ms": times}
    found, versions = peers()
    contests = []
    for peer in (peer for peer in found if peer.type in names):
        print(peer.library, peer.type, file=sys.stderr)
        own, other = _ms(images, _ours(peer.type, peer.severity), peer.prepare)
        told = {"library": peer.library, "type": peer.type, "severity": peer.severity}
        contests.append({**told, "ours_ms": own, "peer_ms": other, "differs": peer.differs})
    result = {
        "size": [WIDTH, HEIGHT],
        "photos": photos,
        "ours": ours,
        "peers": contests,
        "versions": versions,
    }
    return result, _table(result)


def _severities(name: str, image: Pixels) -> list[float]:
    """Return those of the levels; where a corpus sets them by PSNR, those that one photograph needs."""
    kind = registry()[name]
    corpus = kind.corpora[0]
    if corpus in kind.levels:
        return [float(severity) for severity in kind.levels[corpus]]
    return [calibrate(image, name, psnr=target).severity for target in kind.targets[corpus]]


def _ours(name: str, severity: float) -> Prepare:
    return lambda image: lambda: distort(image, name, severity=severity)


def _ms(images: list[Pixels], *contestants: Prepare) -> list[float]:
    """Return the best time of each contestant's call in ms, mean over the images.

    They take turns, and the processor's time is taken, as other programs can only slow a call.
    """
    sums = [0.0] * len(contestants)
    for image in images:
        calls = [prepare(image) for prepare in contestants]
        best = [math.inf] * len(calls)
        for call in calls:
            call()  # tables, compilation
        begun = time.perf_counter()
        for turn in range(200):
            if turn >= 7 and time.perf_counter() - begun > SECONDS:
                break
            for place, call in enumerate(calls):
                clock = time.process_time()
                call()
                best[place] = min(best[place], time.process_time() - clock)
        sums = [total + one for total, one in zip(sums, best, strict=True)]
    return [round(total / len(images) * 1000, 3) for total in sums]


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"Milliseconds of processor time per image of {WIDTH}x{HEIGHT} on one core, best of 7 to 200 calls, "
        f"mean over {result['photos']} photographs. Peers: "
        + ", ".join(f"{name} {number}" for name, number in result["versions"].items())
        + ".",
        "",
        "| type | mean of the levels | slowest level | images/s | at the same severity: theirs / ours |",
        "|---|---|---|---|---|",
    ]
    for name, own in result["ours"].items():
        mean, worst = statistics.fmean(own["ms"]), max(own["ms"])
        beside = "; ".join(_beside(peer) for peer in result["peers"] if peer["type"] == name)
        lines.append(f"| {name} | {mean:.2f} | {worst:.2f} | {1000 / mean:.0f} | {beside} |")
    return "\n".join([*lines, "", *_sums(result)]) + "\n"


def _beside(peer: dict[str, Any]) -> str:
    differs = f" ({peer['differs']})" if peer["differs"] else ""
    ratio = peer["peer_ms"] / peer["ours_ms"]
    return f"{peer['library']} {peer['peer_ms']:.2f} / {peer['ours_ms']:.2f} = {ratio:.1f}x{differs}"


def _sums(result: dict[str, Any]) -> list[str]:
    """Return what the bars are about: the ten commonest, the geometric mean, what is slower than a peer."""
    lines = []
    if set(COMMONEST) <= set(result["ours"]):
        mean = sum(statistics.fmean(result["ours"][name]["ms"]) for name in COMMONEST)
        worst = sum(max(result["ours"][name]["ms"]) for name in COMMONEST)
        lines.append(
            f"The ten commonest types together: {mean:.1f} ms in the mean of the levels, {worst:.1f} ms at "
            f"their slowest levels (bar: {BAR:g})."
        )
    for library in result["versions"]:
        ratios = [p["peer_ms"] / p["ours_ms"] for p in result["peers"] if p["library"] == library]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            lines.append(
                f"{library}: {mean:.2f} times our time in the geometric mean of {len(ratios)} types."
            )
    if result["peers"]:
        slower = [
            f"{p['type']} ({_beside(p)})" for p in result["peers"] if p["peer_ms"] < p["ours_ms"] * 0.95
        ]
        lines.append(f"Slower than a peer by more than 5 %: {'; '.join(slower) or 'none'}.")
    return [line for pair in zip(lines, [""] * len(lines), strict=True) for line in pair]


if __name__ == "__main__":
    main()
