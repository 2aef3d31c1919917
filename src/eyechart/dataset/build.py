"""Build a dataset: plan it, make or take every picture, write it; take up a build that was killed."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eyechart.corpora.photos import SetAside
from eyechart.dataset.ahead import ahead
from eyechart.dataset.card import write_card
from eyechart.dataset.config import DatasetConfig
from eyechart.dataset.dataset import Dataset, load_dataset
from eyechart.dataset.make import Row, make
from eyechart.dataset.plan import SPLITS, UNTYPED, Photos, Task, choose_photos, plan
from eyechart.dataset.rated import Rated, plan_rated, read_corpora
from eyechart.dataset.scenes import scenes_of, without_shared
from eyechart.dataset.store import JOURNAL, SHARD_BYTES, Writer, column, dataset_hash, shards
from eyechart.dataset.take import Batch, take
from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.runs import writing
from eyechart.taxonomy import LabelMap, load_label_map

Job = Task | Batch

_DECIDES_PIXELS = ("eyechart", "numpy", "opencv-python-headless", "pillow", "scipy")
_DECIDES_NOTHING: Any = {
    "photos": True,
    "label_map": True,
    "split_file": True,
    "corpora": {"__all__": {"path", "partial"}},
}


def build_dataset(
    config: DatasetConfig, folder: Path, workers: int | None = None, shard_bytes: int = SHARD_BYTES
) -> Dataset:
    """Build a dataset in a new folder ``<name>-<hash>`` below ``folder``, or return it if it is there.

    The result does not depend on the number of workers (threads; None: one per processor), nor on the size
    of the shards. The folder appears only when it is whole. A build that failed or was killed leaves its
    finished shards in a hidden folder beside it; the same call takes it up there, to the same result.

    Raises:
        EyechartError: the configuration, the corpora or the photographs do not allow it, or the file system
            refused.
    """
    labels = load_label_map(config.label_map)
    photos = choose_photos(config) if config.makes_pictures else Photos((), (), "")
    rated = read_corpora(config)
    record = _recipe(config, labels, photos, rated)
    before = _existing(folder, record["recipe"])
    if before is not None:
        return before
    scenes = scenes_of(rated.corpora, photos)
    photos = without_shared(photos, scenes)
    batches, without_label = plan_rated(rated, scenes, labels, keep_untyped=config.keep_untyped)
    tasks = plan(config, photos, labels) if config.makes_pictures else []
    jobs: list[Job] = sorted([*tasks, *batches], key=lambda job: (*SPLITS, UNTYPED).index(_split(job)))
    record["joined"] = {content: scene for content, scene in scenes.items() if content != scene}
    if not jobs:
        raise EyechartError(
            f"the label map {labels.name} has a label for no picture",
            "choose another map, or keep pictures without a label for quality scores (--keep-untyped)",
        )
    unfinished = folder / f".{config.name}-{record['recipe'][:12]}"
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        with _alone(unfinished):
            aside = [*photos.set_aside, *rated.set_aside, *without_label]
            aside += _write(unfinished, jobs, config, workers, shard_bytes)
            return _finish(unfinished, record, aside)
    except OSError as error:
        raise EyechartError(
            f"cannot write the dataset to {folder}: {error.strerror or error}",
            "free some space, mend the permissions, or name another folder",
        ) from error


def _split(job: Job) -> str:
    return job.scene.split if isinstance(job, Task) else job.split


def _recipe(config: DatasetConfig, labels: LabelMap, photos: Photos, rated: Rated) -> dict[str, Any]:
    """Return the record of what decides every pixel, and its hash ("recipe"), known before building."""
    plain = config.model_dump(mode="json", exclude=_DECIDES_NOTHING)
    if not config.keep_untyped:  # a dataset without this keeps the hash that it had before there was a choice
        del plain["keep_untyped"]
    versions = {name: _version(name) for name in _DECIDES_PIXELS} | {"code": _code()}
    record = {
        "config": plain,
        "label_map": labels.plain(),
        "photos": photos.digest,
        "packaged_photos": config.makes_pictures and config.photos is None,
        "corpora": rated.plain(),
        "published_split": None if rated.published is None else asdict(rated.published),
        "versions": versions,
    }
    recipe = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    return {"name": config.name, "recipe": recipe, **record}


def _version(package: str) -> str:
    try:
        return version(package)
    except ModuleNotFoundError:  # e.g. OpenCV installed under another name
        return "unknown"


@cache
def _code() -> str:
    """Return a digest of the modules that decide pictures, as they change between releases too."""
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


@contextmanager
def _alone(unfinished: Path) -> Iterator[None]:
    """Hold an unfinished folder against other processes; afterwards keep it only if a shard is finished."""
    with (unfinished / "lock").open("w") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system lets go when the process dies
        except ImportError:  # Windows has no such locks
            pass
        except BlockingIOError:
            raise EyechartError(
                f"another process is building this dataset in {unfinished}", "wait until it has finished"
            ) from None
        try:
            yield
        finally:
            if not (unfinished / JOURNAL).is_file():
                shutil.rmtree(unfinished, ignore_errors=True)


def _write(
    unfinished: Path, jobs: list[Job], config: DatasetConfig, workers: int | None, shard_bytes: int
) -> list[SetAside]:
    """Write the shards that are not there yet; return what all jobs have set aside."""

    def done(job: Job) -> tuple[list[Row], list[SetAside]]:
        return make(job, config) if isinstance(job, Task) else take(job, config)

    with Writer(unfinished, shard_bytes) as writer:
        first = dict(zip(column(unfinished, "pixels_sha256"), column(unfinished, "image_id"), strict=True))
        left = jobs[writer.jobs :]
        results = track(ahead(done, left, workers), f"making {config.name}", total=len(left))
        for job, (rows, aside) in zip(left, results, strict=True):
            if isinstance(job, Batch):
                rows, twins = _without_twins(rows, first)
                aside = [*aside, *twins]
            writer.add(_split(job), rows, aside)
    return writer.set_aside


def _without_twins(rows: list[Row], first: dict[str, str]) -> tuple[list[Row], list[SetAside]]:
    """Take out the pictures of corpora that are there already: LIVE has some twice, TID2008 is in TID2013."""
    kept, aside = [], []
    for row in rows:
        twin = first.setdefault(row["pixels_sha256"], row["image_id"])
        relabelled = row["code"] and row["level"] == 0  # equals its reference, and was asked for as clean
        if twin == row["image_id"] or relabelled:
            kept.append(row)
        else:
            aside.append(SetAside(row["image_id"], f"the same picture as {twin}"))
    return kept, aside


def _finish(unfinished: Path, record: dict[str, Any], aside: list[SetAside]) -> Dataset:
    """Write the record, the table of what was set aside and the card; give the folder its name."""
    digest = dataset_hash(record["config"], record["label_map"], unfinished)
    splits_there = (*SPLITS, UNTYPED) if shards(unfinished, UNTYPED) else SPLITS
    names = {split: [path.name for path in shards(unfinished, split)] for split in splits_there}
    splits = column(unfinished, "split")
    images = {split: splits.count(split) for split in splits_there}
    whole = {**record, "hash": digest, "images": images, "shards": names, "set_aside": len(aside)}
    _write_aside(unfinished / "set_aside.csv", aside)
    (unfinished / "dataset.json").write_text(_text(whole), encoding="utf-8")
    write_card(load_dataset(unfinished))
    target = unfinished.parent / f"{record['name']}-{digest[:12]}"
    if not (target / "dataset.json").is_file():
        unfinished.rename(target)
        for name in (JOURNAL, "lock"):
            (target / name).unlink(missing_ok=True)
    else:  # the same pictures by another recipe, e.g. another version of Pillow
        whole["shards"] = load_dataset(target).record()["shards"]
        with writing(target / "dataset.json") as path:
            path.write_text(_text(whole), encoding="utf-8")
        shutil.rmtree(unfinished)
    return load_dataset(target)


def _text(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _write_aside(path: Path, aside: Iterable[SetAside]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        lines = csv.writer(stream, lineterminator="\n")
        lines.writerow(["item", "reason"])
        lines.writerows([entry.item, entry.reason] for entry in aside)
