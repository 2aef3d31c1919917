"""The corpora that Eyechart reads."""

from __future__ import annotations

from eyechart.corpora import (
    agiqa3k,
    clive,
    csiq,
    folder,
    imagenet_c,
    kadid10k,
    koniq10k,
    live,
    pipal,
    spaq,
    tid,
)
from eyechart.corpora.reader import Reader

_READERS = (
    live.READER,
    csiq.READER,
    tid.TID2008,
    tid.TID2013,
    kadid10k.READER,
    koniq10k.READER,
    spaq.READER,
    clive.READER,
    pipal.READER,
    agiqa3k.READER,
    imagenet_c.READER,
    folder.READER,
)


def readers() -> dict[str, Reader]:
    """Return the readers by the corpus' name."""
    return {reader.name: reader for reader in _READERS}
