"""``eyechart plan``: what an exam or a tuning will take, before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eyechart.cli.subjects import Name, takes_load_options
from eyechart.settings import names_of, settings
from eyechart.subjects.options import LoadOptions

Data = Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")]
_LIKE_EXAM = "As in eyechart exam"
_LIKE_TUNE = "As in eyechart tune"


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(help="Tell what a run will take, before it begins; no weights are read.")
    commands.command("exam")(exam)
    commands.command("tune")(tune)
    app.add_typer(commands, name="plan")


@takes_load_options
def exam(
    subject: Name,
    dataset: Data,
    load: LoadOptions,
    templates: Annotated[
        str | None,
        typer.Option(rich_help_panel=_LIKE_EXAM, help="Sets, ids or files, separated by commas."),
    ] = None,
    readouts: Annotated[
        str | None, typer.Option(rich_help_panel=_LIKE_EXAM, help="Of choose,generate,yes-no.")
    ] = None,
    orders: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_EXAM, help="Orders of listed options.")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_EXAM, help="Sampled texts beside the greedy one.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_EXAM, help="Longest text, in tokens.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_EXAM, help="Most images at a time.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Load the subject and time a few images, for a better time.")
    ] = False,
) -> None:
    """Tell what an exam will take: questions, operations, time on this device, memory and disk.

    The subject's configuration is read, and its processor where it can be had; its weights are not.
    """
    from eyechart.exam import ExamConfig
    from eyechart.plan.before import exam_plan
    from eyechart.plan.tables import plan_text

    asked = {
        "templates": names_of(templates),
        "readouts": names_of(readouts),
        "orders": orders,
        "repeats": repeats,
        "new_tokens": max_new_tokens,
        "batch": batch,
    }
    config = settings(ExamConfig, asked, "plan exam")
    typer.echo(plan_text(exam_plan(subject, dataset, config, load, measure=measure)))


@takes_load_options
def tune(
    subject: Name,
    dataset: Data,
    train: Annotated[
        str,
        typer.Option(
            help="Components joined by + (vision, projector, language), or all; then, if wanted, -aligned "
            "(on the constraints alone, without the language model) or -unconstrained (on the answer alone)."
        ),
    ],
    load: LoadOptions,
    projector_steps: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_TUNE, help="Steps of the projector alone.")
    ] = None,
    alignment_steps: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_TUNE, help="Steps without the language model.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_TUNE, help="Steps on the answer's loss.")
    ] = None,
    batch: Annotated[int | None, typer.Option(rich_help_panel=_LIKE_TUNE, help="Images a step.")] = None,
    accumulate: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_TUNE, help="Parts in which a step is computed.")
    ] = None,
    lora: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_LIKE_TUNE,
            help="Components tuned by LoRA, separated by commas; none for none; language by default.",
        ),
    ] = None,
    lora_rank: Annotated[
        int | None, typer.Option(rich_help_panel=_LIKE_TUNE, help="Rank of the adapters.")
    ] = None,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option(
            "--gradient-checkpointing", rich_help_panel=_LIKE_TUNE, help="Compute activations twice."
        ),
    ] = False,
    shard: Annotated[
        bool, typer.Option("--shard", rich_help_panel=_LIKE_TUNE, help="Spread the weights (FSDP2).")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=1, help="How many processes share each batch, each with a device of its own.")
    ] = 1,
) -> None:
    """Tell what a tuning will take: steps, operations by component, time, memory of a process, and disk."""
    from eyechart.plan.before import tune_plan
    from eyechart.plan.tables import plan_text
    from eyechart.tune.config import TuneConfig

    given = {
        "projector_steps": projector_steps,
        "alignment_steps": alignment_steps,
        "steps": steps,
        "batch": batch,
        "accumulate": accumulate,
        "lora": None if lora is None else tuple(c for c in lora.split(",") if c != "none"),
        "lora_rank": lora_rank,
        "gradient_checkpointing": gradient_checkpointing or None,
        "shard": shard or None,
    }
    config = settings(TuneConfig, given, "plan tune")
    typer.echo(plan_text(tune_plan(subject, dataset, train, config, load, processes=processes)))
