"""``eyechart tune``: train chosen components of a subject."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eyechart.cli.subjects import Name, takes_load_options
from eyechart.errors import EyechartError
from eyechart.subjects.options import LoadOptions


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(tune)


@takes_load_options
def tune(
    subject: Name,
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    train: Annotated[
        str,
        typer.Option(
            help="Components joined by + (vision, projector, language), or all; then, if wanted, -aligned "
            "(on the constraints alone, without the language model) or -unconstrained (on the answer alone)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the losses and the proof.")],
    load: LoadOptions,
    projector_steps: Annotated[
        int | None, typer.Option(help="Steps of the projector alone, on the constraints.")
    ] = None,
    alignment_steps: Annotated[
        int | None, typer.Option(help="Steps of the vision path, on the constraints, without language model.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps on the answer's loss; 0 leaves the language model out.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Images a step, over all processes.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Parts in which a step is computed.")] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=WEIGHT, repeatable: alignment, contrast, preserve; none=0 for none. "
            "Default: alignment=0.3."
        ),
    ] = None,
    lora: Annotated[
        str | None,
        typer.Option(help="Components tuned by LoRA, separated by commas, or none. Default: language."),
    ] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank of the adapters.")] = None,
    learning_rate: Annotated[
        list[str] | None, typer.Option(help="COMPONENT=RATE, repeatable: the peak learning rate.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="one-cycle (the default), cosine, linear or constant.")
    ] = None,
    templates: Annotated[int | None, typer.Option(help="How many train templates are mixed.")] = None,
    balance: Annotated[
        str | None, typer.Option(help='none (the default), "label", or "corpus and label": drawn alike.')
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many evaluations without a better held-out loss.")
    ] = None,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Compute activations twice, to save memory.")
    ] = False,
    shard: Annotated[
        bool, typer.Option("--shard", help="Spread the weights over several processes (FSDP2).")
    ] = False,
    deepspeed: Annotated[
        Path | None, typer.Option(help="Settings of DeepSpeed (JSON, ZeRO stage 1 or 2).")
    ] = None,
    save_every: Annotated[
        int | None, typer.Option(help="Steps between what a killed run is taken up from.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
) -> None:
    """Train the chosen components on the train split, prove what changed, and save an ordinary checkpoint.

    The same command resumes a killed run. Several processes share each batch: torchrun --no-python
    --nproc-per-node N eyechart tune ..., or accelerate launch --multi_gpu --num_processes N --no_python
    eyechart tune ..., with GPUs or without.
    """
    from eyechart.tuning import tune_run

    given: dict[str, Any] = {
        "projector_steps": projector_steps,
        "alignment_steps": alignment_steps,
        "steps": steps,
        "batch": batch,
        "accumulate": accumulate,
        "constraints": _constraints(constraint),
        "lora": None if lora is None else tuple(c for c in lora.split(",") if c != "none"),
        "lora_rank": lora_rank,
        "learning_rates": None if learning_rate is None else _pairs("--learning-rate", learning_rate),
        "schedule": schedule,
        "templates": templates,
        "balance": balance,
        "patience": patience,
        "gradient_checkpointing": gradient_checkpointing or None,
        "shard": shard or None,
        "deepspeed": None if deepspeed is None else str(deepspeed.absolute()),
        "save_every": save_every,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    tune_run(subject, dataset, train, out, settings=settings, seed=seed, load=load, say=typer.echo)


def _constraints(given: list[str] | None) -> dict[str, float] | None:
    found = None if given is None else _pairs("--constraint", given)
    return {} if found == {"none": 0.0} else found


def _pairs(option: str, given: list[str]) -> dict[str, float]:
    """Return what NAME=NUMBER options say.

    Raises:
        EyechartError: one is written otherwise.
    """
    found = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise EyechartError(
                f"{option} {one!r} is no NAME=NUMBER", f"for example {option} {name}=0.1"
            ) from None
    return found
