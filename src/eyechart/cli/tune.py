"""``eyechart tune``: train chosen components of a subject."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyechart.cli.subjects import Name, takes_load_options
from eyechart.subjects.options import LoadOptions


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(tune)


@takes_load_options
def tune(
    subject: Name,
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    train: Annotated[str, typer.Option(help="Components joined by + (vision, projector, language), or all.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the losses and the proof.")],
    load: LoadOptions,
    alignment_steps: Annotated[
        int | None, typer.Option(help="Steps on the alignment constraint alone.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Steps on the answer's loss.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Train the chosen components on the train split, prove what changed, and save an ordinary checkpoint."""
    from eyechart.single import tune_run

    given = {"alignment_steps": alignment_steps, "steps": steps}
    settings = {name: value for name, value in given.items() if value is not None}
    tune_run(subject, dataset, train, out, settings=settings, seed=seed, load=load, say=typer.echo)
