"""Join contents whose pictures show one photograph, across corpora and one's own pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eyechart.corpora.contents import POOLS
from eyechart.dataset.near import Traces
from eyechart.distort.registry import Pixels


def join(contents: Sequence[str], pictures: Iterable[Pixels]) -> dict[str, str]:
    """Return, for each content, the name of the scene that it belongs to: its own, or that of its group.

    Found are copies of a whole picture (resized, recompressed, mirrored) and crops of it, resized or not;
    different photographs of one place are not joined. A group has the name of its first published content
    (see ``POOLS``), else the first in alphabetical order, so published contents never change their split.

    Args:
        contents: the content of each picture, as :func:`content_of` names it; several may share one.
        pictures: references and one's own photographs, uint8 HWC RGB, taken one at a time.
    """
    traces = Traces()
    for content, picture in zip(contents, pictures, strict=True):
        traces.add(picture, content)
    leader = {content: content for content in contents}
    for first, second in traces.pairs():
        one, other = sorted((_leader(leader, contents[first]), _leader(leader, contents[second])), key=_rank)
        leader[other] = one
    return {content: _leader(leader, content) for content in leader}


def _leader(leader: dict[str, str], content: str) -> str:
    while leader[content] != content:
        content = leader[content]
    return content


def _rank(content: str) -> tuple[int, str]:
    for number, contents in enumerate(POOLS.values()):
        if content in contents:
            return number, content
    return len(POOLS), content
