"""Read states in a process of its own: to ``kill`` it in the third block, or to tell its ``memory``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import tiny

from eyechart.inside.config import InsideConfig
from eyechart.inside.reading import read_states
from eyechart.inside.store import States
from eyechart.runs import peak_rss_mib
from eyechart.subjects.model import Pixels

BATCH, QUESTION = 16, "What is the main distortion of this image?"


def rows(count: int, side: int) -> pd.DataFrame:
    """Return the rows of so many square images."""
    return pd.DataFrame({"image_id": [str(i) for i in range(count)], "height": side, "width": side})


def drawn(name: str, side: int) -> Pixels:
    """Return the image of an id."""
    return np.random.default_rng(int(name)).integers(0, 256, (side, side, 3), np.uint8)


def read(folder: Path, count: int, side: int, last: int | None = None) -> States:
    """Read the states of so many images; the process is killed when the image ``last`` is asked for."""

    def load(names: Sequence[str]) -> list[Pixels]:
        if str(last) in names:
            os.kill(os.getpid(), signal.SIGKILL)
        return [drawn(name, side) for name in names]

    config = InsideConfig(every=1, batch=BATCH)
    return read_states(folder, tiny.internvl(), rows(count, side), load, QUESTION, config, tokens=True)


if __name__ == "__main__":
    folder = Path(sys.argv[2])
    if sys.argv[1] == "kill":
        read(folder, 160, 28, last=150)
    peaks = []
    for count in (64, 256):  # 48 and 192 MiB of pixels
        read(folder / str(count), count, 512)
        peaks.append(peak_rss_mib() or 0.0)
    print(peaks[1] - peaks[0])
