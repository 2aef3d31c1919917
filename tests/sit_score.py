"""Score a small dataset, as a process of its own: alone, killed half way, or beside others."""

from __future__ import annotations

import sys
from pathlib import Path

from eyechart.dataset import load_dataset
from eyechart.exam.processes import Processes, joined
from eyechart.quality import ScoreConfig
from eyechart.quality.run import score
from eyechart.runs import Run
from eyechart.subjects.loading import load_subject
from eyechart.subjects.options import LoadOptions

CONFIG = ScoreConfig(
    templates=("level-rate", "q-bench-synonyms", "number-five"), block=3, batch=2, repeats=1, new_tokens=3
)


def sit(subject: str, dataset: str, out: str) -> None:
    """Score alone; what is told goes to a file."""
    _sit(subject, dataset, out, Processes())


def _sit(subject: str, dataset: str, out: str, processes: Processes) -> None:
    with Path(out, f"told-{processes.number}.txt").open("a", encoding="utf-8") as told:
        score(
            *(Run(Path(out)), "base", load_subject(subject, LoadOptions(dtype="float32"))),
            *(load_dataset(Path(dataset)), CONFIG),
            seed=0,
            processes=processes,
            say=lambda line: print(line, file=told, flush=True),
        )


if __name__ == "__main__":
    with joined() as together:
        _sit(sys.argv[1], sys.argv[2], sys.argv[3], together)
