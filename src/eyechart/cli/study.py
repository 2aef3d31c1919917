"""``eyechart study``: the whole river in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyechart.cli.dataset import Corpora, CorpusCrop, Partial, corpus_sources
from eyechart.cli.subjects import takes_load_options
from eyechart.subjects.options import LoadOptions


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(study)


@takes_load_options
def study(
    load: LoadOptions,
    out: Annotated[Path, typer.Option(help="The run's folder; the same command resumes it.")] = Path(
        "runs/nano"
    ),
    subject: Annotated[
        str | None,
        typer.Option(help="nano (the default), a preset's name, a model's folder, or an id on the hub."),
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help="Arms, separated by commas: base, all, or components joined by +, each also -aligned (no "
            "language model is run) or -unconstrained; or grid, for all that the study is about."
        ),
    ] = None,
    photos: Annotated[Path | None, typer.Option(help="A folder of your own photographs.")] = None,
    corpus: Corpora = None,
    partial: Partial = False,
    corpus_crop: CorpusCrop = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file with any of the settings.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look: less data, three arms.")] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice; 0 by default.")] = None,
) -> None:
    """Build the dataset, examine, tune each arm, look inside, and write the report."""
    from eyechart.configuration import study_config
    from eyechart.study import run_study
    from eyechart.tune.arms import GRID

    sources = corpus_sources(corpus, partial=partial)
    named = {"name": "-".join(sorted(source["name"] for source in sources)), "corpora": sources}
    dataset = (named if sources else {}) | ({} if corpus_crop is None else {"corpus_crop": corpus_crop})
    given = {
        "seed": seed,
        "subject": subject,
        "load": load.changed() or None,
        "arms": None if arms is None else GRID if arms == "grid" else tuple(arms.split(",")),
        "dataset": dataset or None,
    }
    changes = {
        name: value for name, value in given.items() if value is not None
    }  # else the file's or default
    run_study(study_config(config, quick=quick, photos=photos, changes=changes), out, say=typer.echo)
