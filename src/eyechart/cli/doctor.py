"""``eyechart doctor``: what this machine has, and what will run on it."""

from __future__ import annotations

import typer


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)


def doctor() -> None:
    """Show this machine, the versions, and what will and will not run, each with its remedy.

    Nothing is loaded, fetched or sent. Exits with 0 if the built-in study can run, else with 1.
    """
    from eyechart.doctor import EXTRAS, checks, examine, gpu_remedy
    from eyechart.subjects.memory import gigabytes

    machine, versions = examine()
    memory = "not known" if machine.memory is None else f"{gigabytes(machine.memory)} free"
    typer.echo("Machine")
    typer.echo(f"  processor  {machine.cpu}, {machine.cores} core(s) for this program")
    typer.echo(f"  memory     {memory}")
    typer.echo(f"  disk       {gigabytes(machine.disk_here)} free here")
    typer.echo(f"             {gigabytes(machine.disk_cache)} free at the cache of weights")
    for gpu in machine.gpus:
        exact = "bfloat16" if gpu.bfloat16 else "no bfloat16, computes in float32"
        size = f"{gigabytes(gpu.total)}, {gigabytes(gpu.free)} free"
        typer.echo(f"  GPU        {gpu.name}, {size}, {exact}")
    if remedy := gpu_remedy(machine):
        typer.echo(f"  GPU        {remedy}")
    typer.echo("\nVersions")
    for name, version in versions.items():
        typer.echo(f"  {name:<24} {version}")
    typer.echo("\nExtras")
    for extra, what in EXTRAS.items():
        missing = ", ".join(machine.missing[extra])
        told = f"missing: {missing}; pip install 'eyechart[{extra}]'" if missing else "installed"
        typer.echo(f"  {extra:<10} ({what}) {told}")
    typer.echo("\nWhat will run")
    found = checks(machine)
    for check in found:
        typer.echo(f"  {'yes' if check.runs else 'NO ':<4} {check.name}: {check.told}")
        if check.remedy:
            typer.echo(f"       {check.remedy}")
    typer.echo("\nSizes are rules of thumb; eyechart plan exam|tune SUBJECT DATASET computes them.")
    raise typer.Exit(0 if found[0].runs else 1)
