"""``eyechart exam``: ask one subject, without tuning it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eyechart.cli.subjects import takes_load_options
from eyechart.errors import EyechartError
from eyechart.settings import names_of, option, settings
from eyechart.subjects.capabilities import is_endpoint, is_zero_shot
from eyechart.subjects.options import LoadOptions

_PANEL = "Endpoints only"
_OPEN = "Open models only"
_FOR_ENDPOINTS = ("for endpoints only", "leave it out, or name an endpoint: 'URL#MODEL'")
_FOR_MODELS = ("for models that are loaded here", "leave it out")


def add(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(exam)


@takes_load_options
def exam(
    subject: Annotated[
        str,
        typer.Argument(
            help="nano, a preset's name, a model's folder, or an id on the hub; an endpoint, 'URL#MODEL'; or "
            "clip:MODEL, a CLIP or SigLIP model that is compared, not asked."
        ),
    ],
    dataset: Annotated[Path, typer.Argument(help="A dataset's folder (see eyechart dataset build).")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command resumes it.")],
    load: LoadOptions,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.")] = 0,
    templates: Annotated[
        str | None,
        typer.Option(help="Sets, ids or YAML files of templates, separated by commas; exam by default."),
    ] = None,
    readouts: Annotated[
        str | None,
        typer.Option(rich_help_panel=_OPEN, help="Of choose,generate,yes-no; all that a template allows."),
    ] = None,
    orders: Annotated[
        int | None, typer.Option(rich_help_panel=_OPEN, help="Orders of listed options; 1 by default.")
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(rich_help_panel=_OPEN, help="Sampled texts beside the greedy one; 0 by default."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(rich_help_panel=_OPEN, help="Of the samples; 0.7 by default.")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(rich_help_panel=_OPEN, help="Longest text, in tokens; 16 by default.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(rich_help_panel=_OPEN, help="Most images at a time; 32 by default.")
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(rich_help_panel=_PANEL, help="Variable that holds the key; OPENAI_API_KEY by default."),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(rich_help_panel=_PANEL, help="Questions at a time; 8 by default.")
    ] = None,
    requests_per_minute: Annotated[
        float | None, typer.Option(rich_help_panel=_PANEL, help="Requests a minute, retries included.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(rich_help_panel=_PANEL, help="Seconds of one attempt; 120 by default.")
    ] = None,
    retries: Annotated[
        int | None, typer.Option(rich_help_panel=_PANEL, help="Attempts after the first; 5 by default.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option(rich_help_panel=_PANEL, help="Longest answer, in tokens; 64 by default.")
    ] = None,
    top_logprobs: Annotated[
        int | None, typer.Option(rich_help_panel=_PANEL, help="First tokens to be told; 20 by default.")
    ] = None,
    max_image_mb: Annotated[
        float | None, typer.Option(rich_help_panel=_PANEL, help="Largest image sent, in MB; 20 by default.")
    ] = None,
    price_in: Annotated[
        float | None, typer.Option(rich_help_panel=_PANEL, help="Price of a million tokens sent.")
    ] = None,
    price_out: Annotated[
        float | None, typer.Option(rich_help_panel=_PANEL, help="Price of a million tokens answered.")
    ] = None,
) -> None:
    """Ask a subject what distorts each test image, and what it sees of content; write the report.

    An OpenAI-compatible endpoint is named by its address and model, as in 'http://localhost:8000/v1#MODEL'.
    It gives text only: open models are also asked for likelihoods and content. Images are sent as PNG, which
    is lossless: recompression would change what is measured. The key comes from the environment alone.

    Answers are stored block by block: the same command resumes. torchrun and accelerate launch share the work
    over processes.

    A CLIP or SigLIP model, as in clip:openai/clip-vit-base-patch32, is a baseline: each label's sentences are
    compared with the image.
    """
    asked = {
        "templates": names_of(templates),
        "readouts": names_of(readouts),
        "orders": orders,
        "repeats": repeats,
        "temperature": temperature,
        "new_tokens": max_new_tokens,
        "batch": batch,
    }
    sent = {
        "concurrency": concurrency,
        "requests_per_minute": requests_per_minute,
        "timeout": timeout,
        "retries": retries,
        "max_tokens": max_tokens,
        "top_logprobs": top_logprobs,
        "max_image_mb": max_image_mb,
        "price_in": price_in,
        "price_out": price_out,
    }
    _examine(subject, dataset, out, load, seed, key_env, _given(asked), _given(sent))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _examine(
    subject: str,
    dataset: Path,
    out: Path,
    load: LoadOptions,
    seed: int,
    key_env: str | None,
    asked: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    """Take the way of the subject's kind; options of another kind are a mistake."""
    if is_endpoint(subject):
        templates = asked.pop("templates", ["exam"])
        _refuse([*load.changed(), *asked], *_FOR_MODELS)
        _endpoint(subject, dataset, out, key_env, sent, templates, seed)
        return
    _refuse([*sent, *(["key_env"] if key_env else [])], *_FOR_ENDPOINTS)
    if is_zero_shot(subject):
        from eyechart.zero_shot_run import zero_shot_run

        _refuse(list(asked), "for models that are asked", "leave it out: a clip: model compares")
        zero_shot_run(subject, dataset, out, seed=seed, load=load, say=typer.echo)
        return
    from eyechart.exam import ExamConfig
    from eyechart.single import exam_run

    config = settings(ExamConfig, asked, "exam")
    exam_run(subject, dataset, out, seed=seed, exam=config, load=load, say=typer.echo)


def _refuse(names: list[str], why: str, remedy: str) -> None:
    if names:
        raise EyechartError(f"{option(names[0])} is {why}", remedy)


def _endpoint(
    subject: str,
    dataset: Path,
    out: Path,
    key_env: str | None,
    sent: dict[str, Any],
    templates: list[str],
    seed: int,
) -> None:
    from eyechart.remote import endpoint_run
    from eyechart.subjects.endpoint import EndpointConfig

    config = settings(EndpointConfig, sent, "exam")
    endpoint_run(
        *(subject, dataset, out),
        config=config,
        seed=seed,
        templates=templates,
        key_env=key_env,
        say=typer.echo,
    )
