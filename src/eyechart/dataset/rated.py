"""What a dataset takes from corpora of rated pictures: which pictures, in which split, under which label."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from eyechart.corpora.contents import content_of
from eyechart.corpora.corpus import Corpus, Item
from eyechart.corpora.photos import SetAside
from eyechart.corpora.read import read_corpus
from eyechart.dataset.config import DatasetConfig
from eyechart.dataset.plan import SPLITS, UNTYPED
from eyechart.dataset.splits import PublishedSplit, import_split, split_of
from eyechart.dataset.take import Batch, name_of
from eyechart.errors import EyechartError
from eyechart.taxonomy import CLEAN, LabelMap

_BATCH = 16  # pictures at a time: few enough for memory, enough to decode their reference for
_SHOWN = 5  # findings told in an error


@dataclass(frozen=True)
class Rated:
    """The corpora of a dataset, and which of them are copies that need not be complete."""

    corpora: tuple[Corpus, ...]
    partial: frozenset[str]
    set_aside: tuple[SetAside, ...]
    published: PublishedSplit | None

    def plain(self) -> list[dict[str, object]]:
        """Return what the dataset's record says of each corpus."""
        return [
            {
                "name": corpus.name,
                "title": corpus.title,
                "items": len(corpus.items),
                "partial": corpus.name in self.partial,
                "findings": len(corpus.findings),
                "scores": None if corpus.scores is None else asdict(corpus.scores),
                "licence": asdict(corpus.licence),
                "digest": _digest(corpus),
            }
            for corpus in self.corpora
        ]


def read_corpora(config: DatasetConfig) -> Rated:
    """Read the corpora of a configuration.

    Raises:
        EyechartError: no such corpus at a place, or a copy that is damaged and not said to be partial.
    """
    corpora, aside = list[Corpus](), list[SetAside]()
    for source in config.corpora:
        corpus = read_corpus(source.name, source.path, partial=source.partial)
        damage = [finding for finding in corpus.findings if finding.damage]
        if damage and not source.partial:
            told = "; ".join(f"{finding.item}: {finding.reason}" for finding in damage[:_SHOWN])
            more = f"; and {len(damage) - _SHOWN} more" if len(damage) > _SHOWN else ""
            raise EyechartError(
                f"{source.path} is not {corpus.title} as it was published: {told}{more}",
                f"eyechart dataset check {source.name} {source.path} lists everything; to use the copy as it "
                "is, say that it is partial (--partial)",
            )
        aside += [SetAside(f"{corpus.name}/{finding.item}", finding.reason) for finding in damage]
        corpora.append(corpus)
    partial = frozenset(source.name for source in config.corpora if source.partial)
    published = None
    if config.split_file is not None:
        names = [corpus.name for corpus in corpora]
        published = import_split(config.split_file, config.split_index, names)
    return Rated(tuple(corpora), partial, tuple(aside), published)


def _digest(corpus: Corpus) -> str:
    """Return a digest of a corpus' tables and of the sizes of its files."""
    facts = [[*vars(item).values(), corpus.source.size(item.file)] for item in corpus.items]
    return hashlib.sha256(json.dumps(facts, default=dict).encode()).hexdigest()


def plan_rated(
    rated: Rated, scenes: Mapping[str, str], labels: LabelMap, *, keep_untyped: bool = False
) -> tuple[list[Batch], list[SetAside]]:
    """Return what to take, in the order in which it will stand in the dataset, and what has no label.

    Args:
        rated: the corpora.
        scenes: the scene of a content, which is its own where it is not named.
        labels: the label map.
        keep_untyped: keep what has no label in the split ``UNTYPED``, where its content is for test.
    """
    batches: list[Batch] = []
    aside: list[SetAside] = []
    for corpus in rated.corpora:
        chosen, untyped = list[tuple[Item, str]](), list[tuple[Item, str]]()
        for item in corpus.items:
            label = labels.label(corpus.name, item.distortion)
            if label is None and keep_untyped:
                untyped.append((item, ""))
            elif label is None:
                reason = labels.reason(corpus.name, item.distortion)
                aside.append(SetAside(name_of(item), f"no label in {labels.name}: {reason}"))
            else:
                chosen.append((item, label))
        batches += _batches(rated, corpus, chosen, scenes, labels.label(corpus.name, CLEAN) or "")
        for batch in _batches(rated, corpus, untyped, scenes, ""):
            if batch.split == "test":
                batches.append(replace(batch, split=UNTYPED))
            else:
                told = f"no label in {labels.name}, and its content is for {batch.split}"
                aside += [SetAside(name_of(item), told) for item, _ in batch.items]
    return sorted(batches, key=lambda batch: (*SPLITS, UNTYPED).index(batch.split)), aside


def _batches(
    rated: Rated, corpus: Corpus, chosen: list[tuple[Item, str]], scenes: Mapping[str, str], clean: str
) -> Iterator[Batch]:
    """Yield a corpus' pictures by reference, the reference first; no batch holds two contents."""
    references = {item.image_id: item for item in corpus.items if item.distortion == CLEAN}
    splits = split_of if rated.published is None else rated.published.split_of
    by_origin = sorted(chosen, key=lambda entry: (_origin(entry[0]), entry[0].image_id))
    for origin, group in groupby(by_origin, lambda entry: _origin(entry[0])):
        own = content_of(corpus.name, origin)
        content = scenes.get(own, own)
        found = sorted(group, key=lambda entry: entry[0].distortion != CLEAN)
        for start in range(0, len(found), _BATCH):
            yield Batch(
                corpus,
                corpus.name in rated.partial,
                content,
                splits(content),
                references.get(origin),
                tuple(found[start : start + _BATCH]),
                clean,
            )


def _origin(item: Item) -> str:
    """Return the image_id of the picture that an item was made from."""
    return item.reference or item.image_id
