"""``eyechart compare``: two runs or more on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(compare)


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders of one dataset; the others are compared with the first."),
    ],
    csv: Annotated[Path | None, typer.Option(help="Also write the whole table to this file.")] = None,
    page: Annotated[
        bool,
        typer.Option(help="Write each run beside the first as a page, compare-FIRST.html in its folder."),
    ] = True,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Compare runs on the images that both have answered: differences with intervals and paired tests.

    Arms, templates and readouts of the same name are compared, over all labels and label by label. Intervals
    are at 95 %, by a bootstrap over contents; p-values come from swapping the runs in whole contents, with
    Holm's correction over all labels' rows, and over the single labels of each template and readout.
    """
    from eyechart.compare import compare_runs, run_names
    from eyechart.exam.console import comparison, rendered
    from eyechart.runs import writing

    found = compare_runs(runs, seed)
    typer.echo(rendered(comparison(found)))
    if csv is not None:
        with writing(csv) as partial:
            found.to_csv(partial, index=False)
        typer.echo(f"table: {csv}")
    if page:
        from eyechart.report.pair_page import build_pair_page

        names = run_names(runs)
        for folder, name in zip(runs[1:], names[1:], strict=True):
            mine = found[found["run"] == name]
            if len(mine):
                typer.echo(f"page: {build_pair_page(mine, (runs[0], folder), (names[0], name))}")
