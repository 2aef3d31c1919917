"""``eyechart score``: quality scores, how they agree with opinion, what biases them, how steady they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eyechart.cli.subjects import takes_load_options
from eyechart.errors import EyechartError
from eyechart.settings import option, settings
from eyechart.subjects.capabilities import is_endpoint
from eyechart.subjects.options import LoadOptions

_OPEN, _SENT = "Open models only", "Endpoints only"


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(score)


@takes_load_options
def score(
    subject: Annotated[
        str,
        typer.Argument(
            help="nano, a preset's name, a model's folder, or an id on the hub; or an endpoint, 'URL#MODEL'."
        ),
    ],
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    out: Annotated[
        Path,
        typer.Option(help="The run's folder; the same command resumes it. An exam's run is added to."),
    ],
    load: LoadOptions,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    templates: Annotated[
        str | None,
        typer.Option(help="Sets, ids or YAML files of scoring templates, separated by commas."),
    ] = None,
    images: Annotated[int | None, typer.Option(help="Most test images to score.", show_default="all")] = None,
    repeats: Annotated[
        int | None,
        typer.Option(rich_help_panel=_OPEN, help="Sampled texts beside the greedy one; 0 by default."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(rich_help_panel=_OPEN, help="Of the samples; 0.7 by default.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(rich_help_panel=_OPEN, help="Longest text, in tokens; 8 by default.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(rich_help_panel=_OPEN, help="Most images at a time; 32 by default.")
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(rich_help_panel=_SENT, help="Variable that holds the key; OPENAI_API_KEY by default."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(rich_help_panel=_SENT, help="Questions at a time; 8 by default.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(rich_help_panel=_SENT, help="Longest answer, in tokens; 64 by default.")
    ] = None,
    top_logprobs: Annotated[
        int | None, typer.Option(rich_help_panel=_SENT, help="First tokens to be told; 20 by default.")
    ] = None,
) -> None:
    """Ask a subject for the quality of each test image, and examine its scores; write the report.

    Scores are read from the likelihoods of level words (excellent to bad, good against poor), and from
    numbers that the subject writes. They are held against opinion scores, or, where a dataset has none,
    against a full-reference stand-in (SSIM), which is no opinion.

    Scores are stored block by block: the same command resumes. torchrun and accelerate launch share the work
    over processes.
    """
    asked = {
        "templates": tuple(name.strip() for name in templates.split(",")) if templates else None,
        "images": images,
        "repeats": repeats,
        "temperature": temperature,
        "new_tokens": max_new_tokens,
        "batch": batch,
    }
    sent = {"concurrency": concurrency, "max_tokens": max_tokens, "top_logprobs": top_logprobs}
    given = {name: value for name, value in asked.items() if value is not None}
    told = {name: value for name, value in sent.items() if value is not None}
    if is_endpoint(subject):
        own = [name for name in given if name not in ("templates", "images")]
        _refuse([*load.changed(), *own], "models that are loaded here")
        _endpoint(subject, dataset, out, seed, given, told, key_env)
        return
    _refuse([*told, *(["key_env"] if key_env else [])], "endpoints")
    from eyechart.quality import ScoreConfig
    from eyechart.scoring import score_run

    config = settings(ScoreConfig, given, "score")
    score_run(subject, dataset, out, seed=seed, config=config, load=load, say=typer.echo)


def _endpoint(
    subject: str,
    dataset: Path,
    out: Path,
    seed: int,
    given: dict[str, Any],
    told: dict[str, Any],
    key_env: str | None,
) -> None:
    from eyechart.quality import ScoreConfig
    from eyechart.scoring import endpoint_score_run
    from eyechart.subjects.endpoint import EndpointConfig

    config, endpoint = settings(ScoreConfig, given, "score"), settings(EndpointConfig, told, "score")
    endpoint_score_run(
        subject, dataset, out, seed=seed, config=config, endpoint=endpoint, key_env=key_env, say=typer.echo
    )


def _refuse(names: list[str], kind: str) -> None:
    if names:
        raise EyechartError(f"{option(names[0])} is for {kind} only", "leave it out")
