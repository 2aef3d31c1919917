"""Build a dataset: plan it, make every picture, write it whole."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eyechart.corpora.photos import SetAside
from eyechart.dataset.config import DatasetConfig
from eyechart.dataset.dataset import Dataset, load_dataset
from eyechart.dataset.make import Row, make
from eyechart.dataset.plan import Photos, Task, choose_photos, plan
from eyechart.dataset.store import Writer, dataset_hash
from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.runs import writing
from eyechart.taxonomy import LabelMap, load_label_map

_DECIDES_PIXELS = ("eyechart", "numpy", "opencv-python-headless", "pillow", "scipy")


def build_dataset(config: DatasetConfig, folder: Path, workers: int | None = None) -> Dataset:
    """Build a dataset in a new folder ``<name>-<hash>`` below ``folder``, or return it if it is there.

    The result does not depend on the number of workers (threads; None: one per processor). The folder appears
    only when it is whole.

    Raises:
        EyechartError: the configuration or the photographs do not allow it, or the file system refused.
    """
    labels = load_label_map(config.label_map)
    photos = choose_photos(config)
    record = _recipe(config, labels, photos)
    before = _existing(folder, record["recipe"])
    if before is not None:
        return before
    tasks = plan(config, photos, labels)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial_folder = Path(tempfile.mkdtemp(prefix=f".{config.name}-", dir=folder))
        try:
            return _write(partial_folder, record, tasks, photos, config, workers)
        finally:
            shutil.rmtree(partial_folder, ignore_errors=True)
    except OSError as error:
        raise EyechartError(
            f"cannot write the dataset to {folder}: {error.strerror or error}",
            "free some space, mend the permissions, or name another folder",
        ) from error


def _recipe(config: DatasetConfig, labels: LabelMap, photos: Photos) -> dict[str, Any]:
    """Return the record of what decides every pixel, and its hash ("recipe"), known before building."""
    plain = config.model_dump(mode="json", exclude={"photos", "label_map"})  # paths decide nothing
    versions = {name: _version(name) for name in _DECIDES_PIXELS} | {"code": _code()}
    record = {"config": plain, "label_map": labels.plain(), "photos": photos.digest, "versions": versions}
    recipe = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    return {"name": config.name, "recipe": recipe, **record}


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:  # e.g. OpenCV installed under another name
        return "unknown"


def _code() -> str:
    """Return a digest of the modules that make pictures, as they change between releases too."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(
        path for part in ("corpora", "dataset", "distort") for path in (package / part).glob("*.py")
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _existing(folder: Path, recipe: str) -> Dataset | None:
    for path in sorted(folder.glob("*/dataset.json")):
        try:
            dataset = load_dataset(path.parent)
        except EyechartError:  # somebody else's folder, or a damaged one; not ours to judge here
            continue
        if dataset.record().get("recipe") == recipe and not path.parent.name.startswith("."):
            return dataset
    return None


def _write(
    partial_folder: Path,
    record: dict[str, Any],
    tasks: list[Task],
    photos: Photos,
    config: DatasetConfig,
    workers: int | None,
) -> Dataset:
    aside = list(photos.set_aside)
    with Writer(partial_folder) as writer:
        for rows, left_out in track(_made(tasks, config, workers), f"making {config.name}", total=len(tasks)):
            writer.add(rows)
            aside += left_out
    digest = dataset_hash(record["config"], record["label_map"], writer.pixels)
    whole = {**record, "hash": digest, "images": writer.counts, "set_aside": len(aside)}
    _write_aside(partial_folder / "set_aside.csv", aside)
    text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
    (partial_folder / "dataset.json").write_text(text, encoding="utf-8")
    target = partial_folder.parent / f"{config.name}-{digest[:12]}"
    if (
        target / "dataset.json"
    ).is_file():  # the same pictures by another recipe, e.g. another version of Pillow
        with writing(target / "dataset.json") as path:
            path.write_text(text, encoding="utf-8")
    else:
        partial_folder.chmod(0o755)  # a temporary folder is its owner's alone
        partial_folder.rename(target)
    return load_dataset(target)


def _made(
    tasks: list[Task], config: DatasetConfig, workers: int | None
) -> Iterator[tuple[list[Row], list[SetAside]]]:
    """Yield every task's result in order. Threads suffice: the work is done in NumPy, OpenCV and codecs."""
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        yield from pool.map(partial(make, config=config), tasks)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_aside(path: Path, aside: Iterable[SetAside]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(["item", "reason"])
        lines.writerows([entry.item, entry.reason] for entry in aside)
