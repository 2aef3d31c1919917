"""``eyechart report``: turn a run folder into its page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command("report")(report)


def report(run: Annotated[Path, typer.Argument(help="The run folder.", show_default=False)]) -> None:
    """Compute a run's tables again and write its report.html."""
    from eyechart.report import build_report

    typer.echo(build_report(run))
