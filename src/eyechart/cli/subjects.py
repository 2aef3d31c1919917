"""``eyechart subjects``: which there are, what they take, and whether one holds what an exam relies on."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import Field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from eyechart.errors import EyechartError
from eyechart.subjects.options import LoadOptions

Name = Annotated[str, typer.Argument(help="nano, a preset's name, a model's folder, or an id on the hub.")]


def takes_load_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option for each field of LoadOptions; it receives them together, as ``load``."""
    signature, kinds = inspect.signature(command, eval_str=True), get_type_hints(LoadOptions)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "load"]
    options = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=Annotated[_kind(kinds[option.name]), _flag(option)],
        )
        for option in fields(LoadOptions)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        load = LoadOptions(**{option.name: given.pop(option.name, option.default) for option in options})
        command(**given, load=load)

    # Typer reads the options from the signature.
    run.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
    return run


def _kind(kind: Any) -> Any:
    """Return the type by which the command line reads a field: what may be given several times is a list."""
    return list[str] | None if kind == tuple[str, ...] | None else kind


def _flag(option: Field[Any]) -> Any:
    flag = f"--{option.name.replace('_', '-')}"
    return typer.Option(flag, help=option.metadata["help"], rich_help_panel="How the subject is loaded")


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(invoke_without_command=True, help="Look at subjects before they are examined.")
    commands.callback()(every)
    commands.command("list")(show)
    commands.command("memory")(memory)
    commands.command("check")(check)
    commands.command("fidelity")(fidelity)
    app.add_typer(commands, name="subjects")


def every(ctx: typer.Context) -> None:
    """Look at subjects before they are examined; without a command, list the presets."""
    if ctx.invoked_subcommand is None:
        show()


def show() -> None:
    """List the models that load by a short name: size, memory, licence, and what is proved of them.

    What is not known for certain is called unknown. Any other vision-language model loads by its hub id.
    """
    from eyechart.subjects.presets import preset_rows

    rows = preset_rows()
    widths = {title: max(len(row[title]) for row in [*rows, {title: title}]) for title in rows[0]}
    for row in [{title: title for title in widths}, *rows]:
        typer.echo("  ".join(row[title].ljust(width) for title, width in widths.items()).rstrip())


@takes_load_options
def memory(subject: Name, load: LoadOptions) -> None:
    """Tell what a subject's weights take, from its configuration alone, and what is free.

    Working memory comes on top: images and answers in a batch, and for tuning gradients and the optimiser's
    state. Exits with 1 if the weights do not fit.
    """
    from eyechart.subjects.capabilities import Capability, require
    from eyechart.subjects.loading import skeleton
    from eyechart.subjects.memory import free_memory, gigabytes, weights_need

    require(subject, Capability.COMPONENTS)
    need, (free, where) = weights_need(skeleton(subject, load), load), free_memory(load.device_map)
    for name, count in need.parameters.items():
        typer.echo(f"{name:<10} {count:>15,} parameters  {gigabytes(need.size[name]):>10}")
    typer.echo(
        f"{'together':<10} {sum(need.parameters.values()):>15,} parameters  {gigabytes(need.total):>10}"
    )
    typer.echo(f"{gigabytes(free)} are free on {where}")
    if need.total > free:
        raise typer.Exit(1)


@takes_load_options
def check(
    subject: Name,
    load: LoadOptions,
    every: Annotated[
        bool, typer.Option("--all", help="Change every parameter, not four of each component.")
    ] = False,
) -> None:
    """Prove which parameters are vision, projector and language, and what enters the language model.

    Parameters are changed one by one, and only what lies downstream may follow. Exits with 1 on failure.
    """
    from eyechart.corpora.photos import packaged_photos, read_photo
    from eyechart.subjects.capabilities import Capability, require
    from eyechart.subjects.check import check_subject
    from eyechart.subjects.loading import load_subject

    require(subject, Capability.COMPONENTS)
    photos = [read_photo(photo.path)[:224, :224] for photo in packaged_photos()[:2]]
    claims = check_subject(load_subject(subject, load), photos, None if every else 4)
    for claim in claims:
        typer.echo(f"{'holds' if claim.holds else 'FAILS'}  {claim.claim}\n       {claim.evidence}")
    if not all(claim.holds for claim in claims):
        raise typer.Exit(1)


@takes_load_options
def fidelity(
    subject: Name,
    load: LoadOptions,
    types: Annotated[str, typer.Option(help="Distortions, separated by commas; or all.")] = "all",
    size: Annotated[str, typer.Option(help="Width x height of the pictures, in pixels.")] = "512x384",
    pictures: Annotated[int, typer.Option(min=1, max=20, help="How many photographs to pool.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Also write the table, as csv.")] = None,
) -> None:
    """Show what of each distortion and level is left after the subject's own resizing and cropping.

    Shares are of the distortion's energy. Levels too faint to be seen for this reason alone are marked.
    """
    from eyechart.distort import find, registry
    from eyechart.subjects.audit import audit
    from eyechart.subjects.capabilities import Capability, is_zero_shot, require
    from eyechart.subjects.loading import load_subject
    from eyechart.subjects.zero_shot import load_zero_shot

    require(subject, Capability.PIXELS)
    names = list(registry()) if types == "all" else [find(name.strip()).name for name in types.split(",")]
    width, height = read_size(size)
    loaded = load_zero_shot(subject, load) if is_zero_shot(subject) else load_subject(subject, load)
    path, table = audit(loaded, names, height, width, pictures)
    share = path.seen_pixels / (path.width * path.height)
    typer.echo(f"sees {path.seen_pixels:,} pixels of {path.width} x {path.height} ({share:.0%})")
    typer.echo(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    if out is not None:
        table.to_csv(out, index=False)


def read_size(told: str) -> tuple[int, int]:
    """Return the width and height of a text such as "512x384"."""
    found = re.fullmatch(r"(\d+)\s*x\s*(\d+)", told)
    if not found:
        raise EyechartError(f"{told!r} is no size", "write WIDTHxHEIGHT, e.g. 512x384")
    return int(found[1]), int(found[2])
