"""``eyechart exam``: ask one subject, without tuning it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(exam)


def exam(
    subject: Annotated[str, typer.Argument(help="nano, a model's folder, or an id on the hub.")],
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command resumes it.")],
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Ask a subject what distorts each test image, and what it sees of content; write the report."""
    from eyechart.single import exam_run

    exam_run(subject, dataset, out, seed=seed, inside=False, say=typer.echo)
