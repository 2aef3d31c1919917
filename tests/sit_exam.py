"""Take a small exam, as a process of its own: alone, killed half way, or beside others."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from eyechart.dataset import load_dataset
from eyechart.errors import EyechartError
from eyechart.exam import ExamConfig
from eyechart.exam.processes import Processes, joined
from eyechart.exam.run import examine
from eyechart.runs import Run
from eyechart.subjects.loading import load_subject
from eyechart.subjects.options import LoadOptions

CONFIG = ExamConfig(
    templates=("main-distortion", "yes-no-is-there"), block=3, batch=2, repeats=1, new_tokens=3
)


def sit(subject: str, dataset: str, out: str) -> None:
    """Take the exam alone; what is told goes to a file."""
    _sit(subject, dataset, out, Processes())


def sit_together(subject: str, dataset: str, out: str) -> None:
    """Take the exam with the other processes of the launcher."""
    with joined() as processes:
        _sit(subject, dataset, out, processes)
    note_threads(Path(out, f"threads-{processes.number}.txt"))


def note_threads(file: Path) -> None:
    """File the names of this process's threads, where the system tells them."""
    tasks = Path("/proc/self/task")
    names = [path.read_text(encoding="utf-8") for path in tasks.glob("*/comm")]
    file.write_text("".join(names), encoding="utf-8")


def fail_together(out: str, how: str) -> None:
    """Be one of two, of which the second fails or dies; the error goes to a file."""
    number = int(os.environ["RANK"])
    try:
        with joined() as processes, processes.together():
            if number == 1 and how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if number == 1:
                raise EyechartError("a picture is damaged", "build it again")
    except EyechartError as error:
        Path(out, f"{number}.txt").write_text(str(error), encoding="utf-8")


def _sit(subject: str, dataset: str, out: str, processes: Processes) -> None:
    with Path(out, f"told-{processes.number}.txt").open("a", encoding="utf-8") as told:
        examine(
            *(Run(Path(out)), "base", load_subject(subject, LoadOptions(dtype="float32"))),
            *(load_dataset(Path(dataset)), CONFIG),
            seed=0,
            processes=processes,
            say=lambda line: print(line, file=told, flush=True),
        )


if __name__ == "__main__":
    sit_together(*sys.argv[1:])
