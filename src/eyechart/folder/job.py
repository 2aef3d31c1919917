"""The whole job: find the pictures, make their versions with several workers, write the tables."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from eyechart import __version__
from eyechart.corpora.photos import SUFFIXES, SetAside, picture_files
from eyechart.errors import EyechartError
from eyechart.folder.make import FORMATS, Job, Outcome, Picture, make_versions
from eyechart.folder.records import write_manifest
from eyechart.folder.versions import Version
from eyechart.progress import track
from eyechart.runs import Run


@dataclass(frozen=True)
class Result:
    """What a job did.

    Attributes:
        made: how many versions were made.
        kept: how many were there before.
        set_aside: pictures and versions that could not be made, with the reason.
        manifest: the Parquet table of every version in the folder.
    """

    made: int
    kept: int
    set_aside: tuple[SetAside, ...]
    manifest: Path


def distort_folder(
    source: Path,
    out: Path,
    versions: Sequence[Version],
    *,
    seed: int = 0,
    stretch: bool = False,
    format: str = "png",
    jobs: int | None = None,
) -> Result:
    """Make versions of every picture in a folder and its sub-folders, or of a single picture.

    The versions of ``sub/a.jpg`` lie in ``out/sub/a.jpg/``. The pixels are those of ``distort(read_photo(a),
    type, level=, seed=, image_id="sub/a.jpg")``, whatever the number of workers and the order. What is there
    from before is not made again; new versions join the old ones.

    Args:
        source: the folder, or the picture.
        out: where the versions go; a folder of its own.
        versions: see :func:`parse_versions`.
        seed: of the random distortions.
        stretch: spread the values over 0 to 255 before and after each distortion (KADID-10k).
        format: "png" or "webp", both without loss.
        jobs: worker processes; None takes one per processor. Each holds one picture at a time.

    Raises:
        EyechartError: no picture can be used, ``out`` holds something else or versions made with other
            settings, or the file system refused.
    """
    if format not in FORMATS:
        raise EyechartError(f"{format!r} is no lossless format here", f"known: {', '.join(FORMATS)}")
    if jobs is not None and jobs < 1:
        raise EyechartError(f"{jobs} jobs can do nothing", "give at least one")
    _apart(source, out)
    pictures, aside = _find(source)
    libraries = _libraries()
    settings = {"seed": seed, "stretch": stretch, "format": format}
    run = Run.create(out, {"distort": {**settings, "eyechart": __version__, "libraries": libraries}})
    job = Job(out, tuple(versions), seed, stretch, format, libraries)
    counts = {"made": 0, "kept": 0}
    outcomes = _outcomes(pictures, job, jobs)
    for outcome in track(outcomes, "distorting", total=len(pictures) * len(versions)):
        if isinstance(outcome, SetAside):
            aside.append(outcome)
        else:
            counts[outcome] += 1
    _write_aside(run, aside)
    for left in out.rglob(".*.partial"):  # half-written by a job that was killed
        left.unlink(missing_ok=True)
    if not any(counts.values()):
        raise EyechartError(f"nothing in {source} could be distorted ({_first(aside)})", "mend the pictures")
    return Result(counts["made"], counts["kept"], tuple(aside), write_manifest(out))


def _apart(source: Path, out: Path) -> None:
    if not source.exists():
        raise EyechartError(f"{source} does not exist", "name a picture, or a folder that holds pictures")
    folder = source.resolve() if source.is_dir() else None
    if folder is not None and (folder == out.resolve() or folder in out.resolve().parents):
        raise EyechartError(
            f"{out} lies in {source}, so the next run would distort what this one makes",
            "name another folder",
        )


def _find(source: Path) -> tuple[list[Picture], list[SetAside]]:
    """Return the pictures, sorted, and those whose names no table could hold."""
    if source.is_dir():
        found = [Picture(path, path.relative_to(source).as_posix()) for path in picture_files(source)]
    else:
        found = [Picture(source, source.name)]
    pictures = [picture for picture in found if picture.source.isprintable()]
    if not pictures:
        raise EyechartError(
            f"{source} holds no picture whose name can be used",
            f"put in pictures: {', '.join(sorted(SUFFIXES))}",
        )
    reason = "The name holds characters that cannot be printed, so no table could hold it."
    return pictures, [SetAside(ascii(one.source), reason) for one in found if not one.source.isprintable()]


def _outcomes(pictures: Sequence[Picture], job: Job, jobs: int | None) -> Iterator[Outcome]:
    """Yield what became of every version, in order. One worker is this process."""
    workers = min(jobs or _processors(), len(pictures))
    if workers == 1:
        for picture in pictures:
            yield from make_versions(picture, job)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy threads' locks
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        for outcomes in pool.map(partial(_all_versions, job=job), pictures):
            yield from outcomes
    except BrokenProcessPool as error:
        raise EyechartError(
            "a worker was stopped from outside, perhaps for want of memory",
            "run the same command again, with fewer --jobs; it resumes",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _all_versions(picture: Picture, job: Job) -> list[Outcome]:
    return list(make_versions(picture, job))


def _start_worker() -> None:
    """Give a worker one thread, and let it end at once when it is interrupted or its parent is gone."""
    import cv2

    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(parent: int) -> None:
    wait([parent])
    os._exit(1)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write_aside(run: Run, aside: Sequence[SetAside]) -> None:
    import pandas as pd

    rows = [(one.item, one.reason) for one in aside]
    run.write_table(pd.DataFrame(rows, columns=["item", "reason"]), "set_aside.csv")


def _first(aside: Sequence[SetAside]) -> str:
    return "; ".join(f"{one.item}: {one.reason}" for one in aside[:3])


def _libraries() -> str:
    """Return the versions of the libraries that decide pixels, as one line."""
    import cv2
    import numpy as np
    import PIL
    import scipy
    from PIL import features

    codecs = {"libjpeg-turbo": "libjpeg_turbo", "OpenJPEG": "jpg_2000", "libwebp": "webp", "libavif": "avif"}
    found = {"NumPy": np.__version__, "SciPy": scipy.__version__, "OpenCV": cv2.__version__}
    found |= {"Pillow": PIL.__version__}
    found |= {name: features.version(feature) or "absent" for name, feature in codecs.items()}
    return "; ".join(f"{name} {version}" for name, version in found.items())
