"""``eyechart subjects``: check a subject before it is examined."""

from __future__ import annotations

from typing import Annotated

import typer


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(no_args_is_help=True, help="Look at subjects before they are examined.")
    commands.command("check")(check)
    app.add_typer(commands, name="subjects")


def check(
    subject: Annotated[str, typer.Argument(help="nano, a model's folder, or an id on the hub.")],
    every: Annotated[
        bool, typer.Option("--all", help="Change every parameter, not four of each component.")
    ] = False,
) -> None:
    """Prove which parameters are vision, projector and language, and what enters the language model.

    Parameters are changed one by one, and only what lies downstream may follow. Exits with 1 on failure.
    """
    from eyechart.corpora.photos import packaged_photos, read_photo
    from eyechart.subjects.check import check_subject
    from eyechart.subjects.model import load_subject

    photos = [read_photo(photo.path)[:224, :224] for photo in packaged_photos()[:2]]
    claims = check_subject(load_subject(subject), photos, None if every else 4)
    for claim in claims:
        typer.echo(f"{'holds' if claim.holds else 'FAILS'}  {claim.claim}\n       {claim.evidence}")
    if not all(claim.holds for claim in claims):
        raise typer.Exit(1)
