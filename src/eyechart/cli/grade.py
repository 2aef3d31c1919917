"""``eyechart grade``: answers that another system gave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(grade)


def grade(
    answers: Annotated[Path, typer.Argument(help="csv or jsonl with image_id and text.", show_default=False)],
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The run's folder.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Grade what is answered; leave out the rest.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Parse and score answers to the test images that another system produced, and write the report.

    A csv needs the columns image_id and text, a jsonl the same keys; template, and log-likelihoods of all
    labels (logp_LABEL, or an object "scores"), may be added. What cannot be parsed counts as wrong.
    """
    from eyechart.single import grade_run

    grade_run(answers, dataset, out, partial=partial, seed=seed, say=typer.echo)
