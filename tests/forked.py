"""Real processes for tests, forked from a server that has imported what they need: they start at once."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

PRELOADED = (
    "sit_exam",
    "sit_score",
    "tune_process",
    "transformers.models.internvl.modeling_internvl",
    "peft",
)


def started(function: Callable[..., object], *args: object) -> Any:
    """Start a function in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = context.Process(target=function, args=args)
    process.start()
    return process


def pair(function: Callable[..., object], *args: object) -> list[Any]:
    """Start a function in two processes that know of each other, by the variables that a launcher sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    return [started(_one_of_two, number, port, function, args) for number in ("0", "1")]


def _one_of_two(number: str, port: str, function: Callable[..., object], args: tuple[object, ...]) -> None:
    os.environ |= {"WORLD_SIZE": "2", "RANK": number, "LOCAL_RANK": number, "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    function(*args)


def ended(*processes: Any) -> None:
    """Wait for processes that must end well."""
    for process in processes:
        process.join(240)
        assert process.exitcode == 0
