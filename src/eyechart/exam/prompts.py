"""The exact strings that a subject was asked, beside the answers, which name them by their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from eyechart.runs import Run


class PromptRow(NamedTuple):
    """One string that was asked.

    Attributes:
        prompt: its name in the answers table; those of one ``yes-no`` template share a name.
        template: the template's id.
        order: of the options.
        about: the label that a ``yes-no`` question is about.
        text: the string, without the image.
    """

    prompt: str
    template: str
    order: int
    about: str | None
    text: str


def prompt_key(*texts: str) -> str:
    """Return the name of one string, or of several: 16 hexadecimal digits of their sha256."""
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]


def write_prompts(run: Run, arm: str, rows: Iterable[PromptRow], name: str = "prompts") -> None:
    """Write ``arms/ARM/prompts.parquet``, or such a table of another name."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=list(PromptRow._fields)).astype({"about": "string"})
    run.write_table(table, f"arms/{arm}/{name}.parquet")
