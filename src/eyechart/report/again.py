"""The command that makes a run's page again."""

from __future__ import annotations

import shlex
from pathlib import Path

from eyechart.report.inputs import Inputs


def again(inputs: Inputs) -> str:
    """Return the command that makes the page again, from the folder where the run's own command was given."""
    return f"eyechart report {shlex.quote(_as_given(inputs))}"


def _as_given(inputs: Inputs) -> str:
    """Return the run's folder as its own command names it; else its name, below ``runs`` if it is there."""
    folder = inputs.run.path.resolve()
    try:
        words = shlex.split(inputs.provenance.get("command") or "")
    except ValueError:  # a command that was written by hand
        words = []
    for word in words[1:]:
        path = word.partition("=")[2] if word.startswith("--") else word
        if Path(path).name == folder.name:
            return path
    return f"runs/{folder.name}" if folder.parent.name == "runs" else folder.name
