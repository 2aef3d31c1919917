"""Which pictures of a dataset show one scene, across corpora and photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from eyechart.corpora.contents import content_of
from eyechart.corpora.corpus import Corpus, Item
from eyechart.corpora.decode import decode
from eyechart.corpora.photos import SetAside, read_photo
from eyechart.dataset.groups import join
from eyechart.dataset.plan import Photos
from eyechart.distort import Pixels
from eyechart.errors import EyechartError
from eyechart.progress import track
from eyechart.taxonomy import CLEAN


def scenes_of(corpora: Sequence[Corpus], photos: Photos) -> dict[str, str]:
    """Return the scene of every content whose undistorted picture is there; most are scenes of their own.

    Pictures that cannot be decoded are left out here; they are told when their turn comes.
    """
    found: list[tuple[str, Callable[[], Pixels]]] = []
    for corpus in corpora:
        for item in corpus.items:
            read = partial(_reference, corpus, item)
            if item.distortion == CLEAN and _works(read):
                found.append((content_of(corpus.name, item.image_id), read))
    photographs = [(scene.content, scene.path) for scene in photos.scenes if scene.path is not None]
    found += [(content, partial(read_photo, path)) for content, path in photographs]
    if not corpora or not found:
        return {}
    pictures = (read() for _, read in track(found, "comparing undistorted pictures", len(found)))
    return join([content for content, _ in found], pictures)


def _reference(corpus: Corpus, item: Item) -> Pixels:
    return decode(corpus.source.read(item.file), item.file)


def _works(read: Callable[[], Pixels]) -> bool:
    try:
        read()
    except (EyechartError, OSError):
        return False
    return True


def without_shared(photos: Photos, scenes: Mapping[str, str]) -> Photos:
    """Take out the photographs that show what a corpus shows, as they have splits of their own."""
    kept, aside = [], list(photos.set_aside)
    corpus_scenes = {scenes[content] for content in scenes} - {scene.content for scene in photos.scenes}
    for scene in photos.scenes:
        if scenes.get(scene.content) in corpus_scenes:
            aside.append(SetAside(scene.content, f"shows the scene {scenes[scene.content]} of a corpus"))
        else:
            kept.append(scene)
    return replace(photos, scenes=tuple(kept), set_aside=tuple(aside))
