"""Work ahead in threads, with a bounded number of results waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")
_MOST = 8  # threads: more would hold more pictures than they save time


def ahead(function: Callable[[A], B], items: Iterable[A], workers: int | None = None) -> Iterator[B]:
    """Yield ``function`` of every item, in order, computed by threads (None: one per processor).

    Unlike ``ThreadPoolExecutor.map``, at most two items per thread are begun before their turn, so memory
    stays bounded however many there are. Threads suffice where the work is done in NumPy, OpenCV, hashes and
    codecs.
    """
    workers = workers or min(os.cpu_count() or 1, _MOST)
    pool = ThreadPoolExecutor(workers)
    waiting: deque[Future[B]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
