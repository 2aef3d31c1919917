"""``eyechart inside``: examine one subject and look where the distortion is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyechart.cli.subjects import Name, takes_load_options
from eyechart.subjects.options import LoadOptions


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(inside)


@takes_load_options
def inside(
    subject: Name,
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command resumes it.")],
    load: LoadOptions,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Measure where the distortion is readable inside, and how near the visual tokens lie to the words."""
    from eyechart.single import exam_run

    exam_run(subject, dataset, out, seed=seed, inside=True, load=load, say=typer.echo)
