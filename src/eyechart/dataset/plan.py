"""Which pictures a dataset will hold: scenes, split by content, and what is done to each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from eyechart.corpora.photos import Photo, SetAside, folder_photos, packaged_photos, read_photo
from eyechart.dataset.config import DatasetConfig
from eyechart.errors import EyechartError
from eyechart.taxonomy import CLEAN, LabelMap

SPLITS = ("train", "validation", "test")
UNTYPED = (
    "untyped"  # pictures of test contents without a label, where they are kept: for quality scores alone
)


@dataclass(frozen=True)
class Scene:
    """A picture without distortion: a photograph, or, without a path, one that is drawn."""

    content: str
    corpus: str
    split: str
    path: Path | None


@dataclass(frozen=True)
class Cell:
    """Crops of one distorted picture.

    ``types`` are the distortions that may give the label, in the order in which to try them (empty: clean).
    ``crops`` are pairs of the crop's number (which makes its id unique) and its place in the scene; crops
    with the same ``places`` and place are cut at the same position.
    """

    label: str
    level: int
    types: tuple[str, ...]
    places: str
    crops: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Task:
    """All that is made from one scene at a time."""

    scene: Scene
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Photos:
    """The photographs to use, each with its split, those set aside, and a digest of all their files."""

    scenes: tuple[Scene, ...]
    set_aside: tuple[SetAside, ...]
    digest: str


def choose_photos(config: DatasetConfig) -> Photos:
    """Find the photographs and give each content its split.

    Raises:
        EyechartError: too few photographs for three splits.
    """
    aside: list[SetAside] = []
    if config.photos is None:
        found = packaged_photos()
    else:
        found, aside = folder_photos(config.photos)
    digest, first, kept = hashlib.sha256(), dict[str, str](), list[tuple[str, Photo]]()
    for photo in found:
        pixels = read_photo(photo.path)
        if min(pixels.shape[:2]) < config.crop:
            aside.append(SetAside(photo.content, f"smaller than the crop of {config.crop} pixels"))
            continue
        key = hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()
        digest.update(f"{photo.content}\x1f{key}\x1f".encode())
        if key in first:
            aside.append(SetAside(photo.content, f"the same picture as {first[key]}"))
            continue
        first[key] = photo.content
        kept.append((key, photo))
    if config.photos is not None:
        kept = _split(kept, config.photos)
    for split in SPLITS[1:]:
        if all(photo.split != split for _, photo in kept):
            raise EyechartError(
                f"no photograph for {split} can be used", "use a smaller crop or larger photographs"
            )
    scenes = tuple(Scene(photo.content, "photos", photo.split or "", photo.path) for _, photo in kept)
    return Photos(scenes, tuple(aside), digest.hexdigest())


def _split(photos: list[tuple[str, Photo]], folder: Path) -> list[tuple[str, Photo]]:
    """Split 60 / 10 / 30 by the hash of the pixels, so that neither names nor order matter."""
    if len(photos) < 4:
        raise EyechartError(
            f"{folder} holds {len(photos)} usable photographs",
            "at least 4 are needed, as train, validation and test share none",
        )
    test, validation = round(0.3 * len(photos)), max(1, round(0.1 * len(photos)))
    split = {}
    for rank, (key, _) in enumerate(sorted(photos, key=lambda entry: entry[0])):
        split[key] = "test" if rank < test else "validation" if rank < test + validation else "train"
    return [(key, replace(photo, split=split[key])) for key, photo in photos]


def plan(config: DatasetConfig, photos: Photos, labels: LabelMap) -> list[Task]:
    """Return every task, in the order in which the pictures will stand in the dataset."""
    tasks = list(_train(config, [scene for scene in photos.scenes if scene.split == "train"], labels))
    for split in SPLITS[1:]:
        scenes = [scene for scene in photos.scenes if scene.split == split]
        if split == "test":
            scenes = scenes[: config.test_contents]
        tasks += [Task(scene, tuple(_exam(config, index, labels))) for index, scene in enumerate(scenes)]
    return tasks


def _exam(config: DatasetConfig, content: int, labels: LabelMap) -> Iterator[Cell]:
    """Yield one content's cells for test or validation: clean, then every label at every level.

    Types take turns over contents and levels, so that all occur equally often. Clean and distorted crops
    share their places, so that every distorted crop has its clean counterpart.
    """
    clean = labels.label("photos", CLEAN)
    places = config.clean_per_content
    yield Cell(clean or "", 0, (), "", tuple((place, place) for place in range(places)))
    for row, label in enumerate(_distorted(config, labels)):
        for column, level in enumerate(config.levels):
            for repeat in range(config.test_per_cell):
                types = _turn(_types(config, labels, "photos", label), content + column + repeat)
                crop = (repeat, (row + column + repeat) % places)
                yield Cell(label, level, types, "", (crop,))


def _train(config: DatasetConfig, photos: list[Scene], labels: LabelMap) -> Iterator[Task]:
    """Yield training tasks: in each round, one content in all labels; levels and types take turns.

    The last rounds give fewer crops, so that the number of pictures is as asked, to within one per label.
    """
    clean = labels.label("photos", CLEAN)
    taught = [label for label in labels.labels if label == clean or label in _distorted(config, labels)]
    crops, count, number = config.crops_per_distorted, len(taught), 0
    wanted = [len(range(row, config.train_images, count)) for row in range(count)]
    while any(number * crops < most for most in wanted):
        scene = _scene(config, photos, number)
        cells = []
        for row, label in enumerate(taught):
            numbers = range(number * crops, min((number + 1) * crops, wanted[row]))
            if not numbers:
                continue
            turn, column = divmod(number + row, len(config.levels))
            types = _turn(_types(config, labels, scene.corpus, label), turn)
            level = config.levels[column] if types else 0
            taken = tuple((n, n) for n in numbers)
            cells.append(Cell(label, level, types, f"{number}/{label}", taken))
        yield Task(scene, tuple(cells))
        number += 1


def _scene(config: DatasetConfig, photos: list[Scene], number: int) -> Scene:
    """Return the content of a training round: photographs and drawn scenes alternate by their share."""
    drawn = int((number + 1) * config.dead_leaves_share)
    if drawn > int(number * config.dead_leaves_share):
        return Scene(f"dead-leaves-{drawn - 1:05d}", "dead_leaves", "train", None)
    if not photos:
        raise EyechartError("there is no photograph to train on", "set dead_leaves_share to 1, or add some")
    return photos[(number - drawn) % len(photos)]


def _distorted(config: DatasetConfig, labels: LabelMap) -> list[str]:
    return [label for label in labels.labels if _types(config, labels, "photos", label)]


def _types(config: DatasetConfig, labels: LabelMap, corpus: str, label: str) -> tuple[str, ...]:
    """Return the distortions that give a label and may be made."""
    found = labels.distortions(corpus, label)
    return tuple(kind for kind in found if kind != CLEAN and (config.types == "all" or kind in config.types))


def _turn(types: tuple[str, ...], by: int) -> tuple[str, ...]:
    types = tuple(sorted(types))
    by %= len(types) or 1
    return types[by:] + types[:by]
