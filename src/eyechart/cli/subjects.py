"""``eyechart subjects``: check a subject before it is examined."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="nano, a model's folder, or an id on the hub.")]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(no_args_is_help=True, help="Look at subjects before they are examined.")
    commands.command("check")(check)
    commands.command("fidelity")(fidelity)
    app.add_typer(commands, name="subjects")


def check(
    subject: Name,
    every: Annotated[
        bool, typer.Option("--all", help="Change every parameter, not four of each component.")
    ] = False,
) -> None:
    """Prove which parameters are vision, projector and language, and what enters the language model.

    Parameters are changed one by one, and only what lies downstream may follow. Exits with 1 on failure.
    """
    from eyechart.corpora.photos import packaged_photos, read_photo
    from eyechart.subjects.check import check_subject
    from eyechart.subjects.loading import load_subject

    photos = [read_photo(photo.path)[:224, :224] for photo in packaged_photos()[:2]]
    claims = check_subject(load_subject(subject), photos, None if every else 4)
    for claim in claims:
        typer.echo(f"{'holds' if claim.holds else 'FAILS'}  {claim.claim}\n       {claim.evidence}")
    if not all(claim.holds for claim in claims):
        raise typer.Exit(1)


def fidelity(
    subject: Name,
    types: Annotated[str, typer.Option(help="Distortions, separated by commas; or all.")] = "all",
    size: Annotated[str, typer.Option(help="Width x height of the pictures, in pixels.")] = "512x384",
    pictures: Annotated[int, typer.Option(min=1, max=20, help="How many photographs to pool.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Also write the table, as csv.")] = None,
) -> None:
    """Show what of each distortion and level is left after the subject's own resizing and cropping.

    Shares are of the distortion's energy. Levels too faint to be seen for this reason alone are marked.
    """
    from eyechart.subjects.audit import audit
    from eyechart.subjects.loading import load_subject

    path, table = audit(load_subject(subject), types, size, pictures)
    share = path.seen_pixels / (path.width * path.height)
    typer.echo(f"sees {path.seen_pixels:,} pixels of {path.width} x {path.height} ({share:.0%})")
    typer.echo(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    if out is not None:
        table.to_csv(out, index=False)
