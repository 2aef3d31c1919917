"""``eyechart inside``: examine one subject and look where the distortion is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from eyechart.cli.subjects import Name, takes_load_options
from eyechart.settings import settings
from eyechart.subjects.options import LoadOptions

_SELF_CHECK = "runs/self-check"  # where it is made if no folder is named


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command(cls=_Inside)(inside)


class _Inside(TyperCommand):
    """The command, whose ``--self-check`` may stand alone; Typer knows no value that may be left out."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the folder of a self-check for which none is named."""
        return super().parse_args(ctx, [*args, _SELF_CHECK] if args == ["--self-check"] else args)


def _self_check(out: Path | None) -> None:
    """Examine the verdict itself, and nothing else."""
    if out is not None:
        from eyechart.inside.self_check import self_check

        raise typer.Exit(0 if self_check(out, say=typer.echo) else 1)


@takes_load_options
def inside(
    subject: Name,
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command resumes it.")],
    load: LoadOptions,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    base: Annotated[
        str | None,
        typer.Option(help="The subject before it was tuned: it is looked into as well, and both compared."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Some steps, separated by commas, with those that they need; all by default."),
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="Test images, spread over contents; all by default.")
    ] = None,
    train_images: Annotated[
        int | None, typer.Option(help="Train images that the probes are fitted on; 640 by default.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="Whose question is asked; the first train template by default.")
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Every so-many-th layer of the language model; 6 by default.")
    ] = None,
    tokens: Annotated[
        bool, typer.Option(help="Keep each visual token on the disk; some steps need them.")
    ] = True,
    precision: Annotated[
        str | None, typer.Option(help="Of tokens on the disk: float32 (the default) or bfloat16.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(help="Images that pass the model at a time; 32 by default.")
    ] = None,
    keep_states: Annotated[bool, typer.Option(help="Leave the states in the run when all is done.")] = False,
    self_check: Annotated[
        Path | None,
        typer.Option(
            is_eager=True,
            callback=_self_check,
            help="Plant known faults into the built-in subject, tuned in this folder (runs/self-check if "
            "none is named), and demand the right verdict of each; no subject and no dataset are named. The "
            "same command resumes it.",
        ),
    ] = None,
) -> None:
    """Measure where the distortion is readable inside, and how near the visual tokens lie to the words.

    The subject is examined first, unless only steps are asked for that need no answers; an exam that is in
    the folder is not sat again. How much the states take on the disk is told before they are read.
    """
    from eyechart.inside import InsideConfig
    from eyechart.single import inside_run

    given: dict[str, Any] = {
        "images": images,
        "train_images": train_images,
        "template": template,
        "every": every,
        "tokens": tokens,
        "precision": precision,
        "batch": batch,
    }
    inside_run(
        *(subject, dataset, out),
        seed=seed,
        settings=settings(InsideConfig, given, "inside"),
        only=only.split(",") if only else (),
        base=base,
        keep_states=keep_states,
        load=load,
        say=typer.echo,
    )
