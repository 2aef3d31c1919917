"""Decode every picture of a corpus, and tell all that is wrong with the copy."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from eyechart.corpora.corpus import Corpus, Finding, Item, tidy
from eyechart.corpora.decode import decode
from eyechart.corpora.registry import readers
from eyechart.errors import EyechartError
from eyechart.progress import track


@dataclass(frozen=True)
class _Seen:
    item: Item
    size: tuple[int, int]  # height, width
    digest: bytes  # of the pixels
    problem: str


def check_corpus(corpus: Corpus) -> list[Finding]:
    """Return the corpus' own findings and what decoding all pictures adds, sorted.

    Told are pictures that cannot be decoded, are of another size than their reference, or have the very
    pixels of another picture or of their reference. The last is damage only where the published corpus has no
    such pair.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        seen = list(
            track(
                pool.map(lambda item: _look(corpus, item), corpus.items),
                f"decoding {corpus.title}",
                len(corpus.items),
            )
        )
    findings = [Finding("unreadable", one.item.file, one.problem, True) for one in seen if one.problem]
    good = [one for one in seen if not one.problem]
    findings += [*corpus.findings, *_wrong_sizes(good), *_repeated(corpus, good)]
    return tidy(findings)


def _look(corpus: Corpus, item: Item) -> _Seen:
    try:
        pixels = decode(corpus.source.read(item.file), item.file)
    except EyechartError as error:
        return _Seen(item, (0, 0), b"", error.what)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
    return _Seen(item, (pixels.shape[0], pixels.shape[1]), digest, "")


def _wrong_sizes(seen: list[_Seen]) -> list[Finding]:
    sizes = {one.item.image_id: one.size for one in seen}
    findings = []
    for one in seen:
        expected = sizes.get(one.item.reference or "", one.size)
        if one.size != expected:
            height, width = one.size
            reason = f"It is {width} x {height} pixels, its reference {expected[1]} x {expected[0]}."
            findings.append(Finding("unreadable", one.item.file, reason, damage=True))
    return findings


def _repeated(corpus: Corpus, seen: list[_Seen]) -> list[Finding]:
    """Pictures with the same pixels: each is told beside the first, references coming first."""
    may_repeat = readers()[corpus.name].may_repeat
    groups: dict[bytes, list[Item]] = defaultdict(list)
    for one in seen:
        groups[one.digest].append(one.item)
    findings = []
    for first, *others in groups.values():
        for other in others:
            published = may_repeat(first, other)
            own = "its reference" if other.reference == first.image_id else first.image_id
            known = ", as may be so in the published corpus" if published else ""
            reason = f"It has the very pixels of {own}{known}."
            findings.append(Finding("duplicate", other.file, reason, damage=not published))
    return findings
