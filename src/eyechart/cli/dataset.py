"""``eyechart dataset``: build a dataset, check it, show what it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(help="The dataset's folder.", show_default=False)]


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(no_args_is_help=True, help="Build a dataset, check it, show what it holds.")
    commands.command("build")(build)
    commands.command("check")(check)
    commands.command("show")(show)
    app.add_typer(commands, name="dataset")


def build(
    out: Annotated[Path, typer.Option(help="Where the dataset's folder will lie.")] = Path("datasets"),
    name: Annotated[str, typer.Option(help="How the folder's name begins.")] = "nano",
    photos: Annotated[
        Path | None, typer.Option(help="A folder of your own photographs.", show_default="those that ship")
    ] = None,
    label_map: Annotated[str, typer.Option(help="A label map's name or file.")] = "paper8",
    crop: Annotated[int, typer.Option(help="Side of the pictures, in pixels.")] = 112,
    train_images: Annotated[int, typer.Option(help="Pictures to train on.")] = 4000,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Make clean and distorted pictures, split by content."""
    from eyechart.dataset import DatasetConfig, build_dataset

    config = DatasetConfig.of(
        name=name, photos=photos, label_map=label_map, crop=crop, train_images=train_images, seed=seed
    )
    show(build_dataset(config, out).path)


def check(folder: Folder) -> None:
    """Look for contents in two splits, wrong labels, pictures that come twice or are damaged."""
    from eyechart.dataset import check_dataset, load_dataset

    problems = check_dataset(load_dataset(folder))
    for problem in problems:
        typer.echo(f"problem: {problem}")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{folder}: no problem found")


def show(folder: Folder) -> None:
    """Show how many pictures there are per split, level and label, and where they lie."""
    from eyechart.dataset import counts, load_dataset

    dataset = load_dataset(folder)
    typer.echo(counts(dataset).to_string())
    record = dataset.record()
    images = ", ".join(f"{number} {split}" for split, number in record["images"].items())
    typer.echo(f"{images}; {record['set_aside']} set aside (see set_aside.csv)\n{dataset.path}")
