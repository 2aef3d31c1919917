"""Which split a content belongs to: fixed for good, whatever else a dataset holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from eyechart.corpora.contents import POOLS, content_of
from eyechart.errors import EyechartError

TEST, VALIDATION = 0.2, 0.1  # of the contents; the rest is for training, as LIQE and ARNIQA do
_SAME_SCENE = {"kodak/kodim10": "kodak/kodim09"}  # two photographs of one regatta: never apart
_PARTS = {"test": "test", "val": "validation", "train": "train"}  # the strictest first


def split_of(content: str) -> str:
    """Return "train", "validation" or "test".

    The contents of a corpus (see ``POOLS``) are ranked by the hash of their names, and the first 20 % are for
    test, the next 10 % for validation: exact shares, and neither a further corpus nor a copy that lacks
    pictures moves any content. A content of no pool goes by its hash alone.
    """
    if content in _pooled():
        return _pooled()[content]
    share = int.from_bytes(_hash(content)[:8], "big") / 2**64
    return "test" if share < TEST else "validation" if share < TEST + VALIDATION else "train"


@lru_cache(maxsize=1)
def _pooled() -> dict[str, str]:
    found = {}
    for contents in POOLS.values():
        test, validation = round(TEST * len(contents)), max(1, round(VALIDATION * len(contents)))
        for rank, content in enumerate(sorted(contents, key=lambda content: (_hash(content), content))):
            split = "test" if rank < test else "validation" if rank < test + validation else "train"
            found[content] = split
    return found


def _hash(content: str) -> bytes:
    return hashlib.sha256(f"split/{_SAME_SCENE.get(content, content)}".encode()).digest()


@dataclass(frozen=True)
class PublishedSplit:
    """A split that others published, made clean across corpora.

    Attributes:
        splits: content to "train", "validation" or "test".
        leaks: what was wrong with it, in words: the contents that one corpus trains on and another tests on.
    """

    splits: Mapping[str, str]
    leaks: tuple[str, ...]

    def split_of(self, content: str) -> str:
        """Return the published split; Eyechart's own for a content that it does not name."""
        return self.splits.get(content) or split_of(content)


def import_split(path: Path, index: int, corpora: Collection[str] | None = None) -> PublishedSplit:
    """Read one of the splits in a JSON file: ``{"splits": {corpus: [{"train": [reference, ...], "val": ...,
    "test": ...}, ...]}}``, as LIQE's and ARNIQA's ten splits can be written.

    Such splits are drawn for each corpus alone, so a scene that LIVE and TID share may be trained on in one
    and tested on in the other. Here it then belongs to test in all (or to validation, where none tests on
    it): no published test set loses a picture, and training sets shrink.

    Args:
        path: the file.
        index: which of the splits, from 0.
        corpora: those that are used; the others' parts are not looked at. None takes all.

    Raises:
        EyechartError: no such file or split, an unknown corpus or reference, or one in two parts.
    """
    asked: dict[str, dict[str, str]] = {}
    for corpus, splits in _read(path).items():
        if corpora is not None and corpus not in corpora:
            continue
        for content, part in _parts(splits, f"{path}: {corpus}", corpus, index).items():
            asked.setdefault(content, {})[corpus] = part
    found, leaks = {}, []
    for content, parts in sorted(asked.items()):
        part = min(parts.values(), key=list(_PARTS).index)
        found[content] = _PARTS[part]
        if len(set(parts.values())) > 1:
            told = ", ".join(f"{_PARTS[part]} in {corpus}" for corpus, part in sorted(parts.items()))
            leaks.append(f"{content} is {told}; here it is {_PARTS[part]} in all")
    return PublishedSplit(found, tuple(leaks))


def _read(path: Path) -> dict[str, Any]:
    remedy = 'it needs {"splits": {corpus: [{"train": [...], "val": [...], "test": [...]}]}}'
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EyechartError(f"{path} cannot be read as splits: {error}", remedy) from error
    splits = found.get("splits") if isinstance(found, dict) else None
    if not isinstance(splits, dict):
        raise EyechartError(f"{path} holds no splits", remedy)
    return splits


def _parts(splits: Any, where: str, corpus: str, index: int) -> dict[str, str]:
    """Return the part ("train", "val", "test") of each content of a corpus."""
    if not isinstance(splits, list) or not 0 <= index < len(splits):
        count = len(splits) if isinstance(splits, list) else 0
        raise EyechartError(f"{where} has no split {index}", f"it has {count}, counted from 0")
    known = {content for contents in POOLS.values() for content in contents}
    found: dict[str, str] = {}
    if not isinstance(splits[index], dict) or set(splits[index]) != set(_PARTS):
        raise EyechartError(f"{where}: split {index} is not whole", f"it needs {', '.join(_PARTS)}")
    for part, references in splits[index].items():
        if not isinstance(references, list):
            raise EyechartError(f"{where}: {part} holds no list", "list the references")
        for reference in references:
            content = content_of(corpus, PurePosixPath(str(reference)).stem)
            if content not in known:
                raise EyechartError(f"{where} has no reference {reference!r}", "mend the file")
            if content in found:
                raise EyechartError(f"{where}: {reference} is listed twice in split {index}", "mend the file")
            found[content] = part
    return found
