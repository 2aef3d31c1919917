"""Several processes of one exam, as ``torchrun`` and ``accelerate launch`` start them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from eyechart.errors import EyechartError
from eyechart.group import begun, ended

T = TypeVar("T")

_LONGEST = timedelta(days=30)  # one may finish long before another; one that dies is noticed at once


@dataclass(frozen=True)
class Processes:
    """Who takes part in an exam: ``count`` processes, of which this is ``number`` (from 0)."""

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Say whether this one speaks, and does what is done once."""
        return self.number == 0

    def gather(self, value: T) -> list[T]:
        """Return the value of every process, in order, once all have come here.

        Raises:
            EyechartError: a process has ended before.
        """
        if self.count == 1:
            return [value]
        import torch.distributed

        found: list[T | None] = [None] * self.count
        try:
            torch.distributed.all_gather_object(found, value)
        except RuntimeError as error:  # a connection was closed
            raise EyechartError(
                "another process of this exam has ended", "see its message; the same command resumes"
            ) from error
        return found  # type: ignore[return-value]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Do a part that ends when every process has ended it; what fails in one fails in all.

        Raises:
            EyechartError: the part failed in another process.
        """
        try:
            yield
        except Exception as error:
            with suppress(EyechartError):  # what failed here is the better message
                self.gather(f"{error}")
            raise
        told = self.gather("")
        for number, message in enumerate(told):
            if message:
                raise EyechartError(f"process {number} failed: {message}", "the same command resumes")


def refuse_several(what: str) -> None:
    """Raise an EyechartError if this process was started as one of several."""
    if _count() > 1:
        raise EyechartError(
            f"{what} runs in one process", "start it by itself; several share an exam or a tuning"
        )


def _count() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the other processes, if this one was started with any.

    Each takes a GPU of its own, where there are as many. They talk over Gloo, about little.
    """
    if _count() == 1:
        yield Processes()
        return
    import torch

    state = begun(cpu=True, timeout=_LONGEST)  # "cpu": the talk is over Gloo, whatever computes
    if torch.cuda.is_available():
        torch.cuda.set_device(state.local_process_index % torch.cuda.device_count())
    try:
        yield Processes(state.process_index, state.num_processes)
    finally:
        ended()
