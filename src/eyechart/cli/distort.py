"""``eyechart distort``: versions of a folder of pictures, the list of types, a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyechart.errors import EyechartError


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(distort)


def distort(
    source: Annotated[
        Path | None, typer.Argument(metavar="IN", help="A folder of pictures, or one picture.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT", help="A folder of its own; the same command resumes. Or the sheet."),
    ] = None,
    types: Annotated[
        str,
        typer.Option(
            help="Types, families or all, by commas; A+B: one after the other; jpeg@3: its own level."
        ),
    ] = "",
    levels: Annotated[str, typer.Option(help="E.g. 1-5 or 1,3.")] = "1-5",
    severity: Annotated[
        list[str] | None, typer.Option(metavar="TYPE=NUMBER", help="Besides the levels; may be repeated.")
    ] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Whose levels, e.g. kadid10k.", show_default="each type's first")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    stretch: Annotated[
        bool, typer.Option("--stretch", help="Stretch the values before and after, as KADID-10k did.")
    ] = False,
    format: Annotated[str, typer.Option(help="png or webp, both without loss.")] = "png",
    jobs: Annotated[int | None, typer.Option(help="Workers.", show_default="one per processor")] = None,
    show: Annotated[bool, typer.Option("--list", help="List every type, and make nothing.")] = False,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="One page of all versions of the picture IN: OUT.png or OUT.html.")
    ] = False,
) -> None:
    """Distort pictures: every type at every level, with a table of all parameters.

    The versions of IN/sub/a.jpg lie in OUT/sub/a.jpg/, named after type and level (jpeg_3.png) or severity
    (jpeg=10.png); OUT/manifest.parquet lists them all, OUT/set_aside.csv what could not be used, and why.
    """
    if show:
        _list()
        return
    if source is None or out is None:
        raise EyechartError("IN or OUT is missing", "eyechart distort IN OUT --types all; --help tells more")
    from eyechart.folder import distort_folder, parse_versions

    if sheet:
        from eyechart.sheet import write_sheet

        versions = parse_versions(types or "all", levels, severity or (), corpus)
        typer.echo(write_sheet(source, out, versions, seed=seed, stretch=stretch))
        return
    versions = parse_versions(types, levels, severity or (), corpus)
    result = distort_folder(source, out, versions, seed=seed, stretch=stretch, format=format, jobs=jobs)
    typer.echo(f"{result.made} made, {result.kept} there before, {len(result.set_aside)} set aside")
    if result.set_aside:
        typer.echo(f"why they were set aside: {out / 'set_aside.csv'}")
    typer.echo(result.manifest)


def _list() -> None:
    """Print every type: a table in a terminal, one line each where the output goes elsewhere."""
    from rich.console import Console
    from rich.table import Table

    from eyechart.distort import FAMILIES, registry

    table = Table("type", "family", "severity", "range", "levels", "source", box=None, pad_edge=False)
    for kind in sorted(registry().values(), key=lambda kind: (FAMILIES.index(kind.family), kind.name)):
        spec = kind.severity
        levels = {name: " ".join(f"{value:g}" for value in values) for name, values in kind.levels.items()}
        levels |= {
            name: f"PSNR {' '.join(f'{v:g}' for v in values)}" for name, values in kind.targets.items()
        }
        levels |= {name: f"{low:g} to {high:g}" for name, (low, high) in kind.ranges.items()}
        told = "; ".join(f"{name}: {text}" for name, text in levels.items())
        valid = f"{spec.low:g} to {spec.high:g}"
        table.add_row(kind.name, kind.family, f"{spec.name} ({spec.unit})", valid, told, kind.source)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1000
    console.print(table)
