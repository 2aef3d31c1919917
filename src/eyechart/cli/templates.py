"""``eyechart templates``: the wordings that there are, and exactly what a subject receives of one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from eyechart.cli.subjects import read_size, takes_load_options
from eyechart.errors import EyechartError
from eyechart.subjects.capabilities import is_endpoint, is_zero_shot
from eyechart.subjects.options import LoadOptions

if TYPE_CHECKING:
    from eyechart.subjects.model import ModelSubject
    from eyechart.templates import Question, Template

COLUMNS = ("id", "set", "kind", "language", "split", "source")
IMAGE = "data:image/png;base64,<the image>"


def add(app: typer.Typer) -> None:
    """Register the commands."""
    commands = typer.Typer(no_args_is_help=True, help="List the exam's wordings, and show what is asked.")
    commands.command("list")(table)
    commands.command("show")(show)
    app.add_typer(commands, name="templates")


def table(
    which: Annotated[
        list[str] | None,
        typer.Argument(help="Sets, ids or YAML files.", show_default="every set"),
    ] = None,
) -> None:
    """List templates: their set, kind, language and source, and whether a subject may be tuned on them.

    An exam asks the set "exam" unless others are chosen.
    """
    from eyechart.templates import load_templates, set_names

    rows = [
        [getattr(template, name) for name in COLUMNS] for template in load_templates(which or set_names())
    ]
    widths = [max(len(row[i]) for row in [COLUMNS, *rows]) for i in range(len(COLUMNS))]
    for row in [COLUMNS, *rows]:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@takes_load_options
def show(
    which: Annotated[list[str], typer.Argument(help="Ids, sets or YAML files.", show_default=False)],
    load: LoadOptions,
    labels: Annotated[
        str,
        typer.Option(help="The exam's labels: a label map's name or file, or labels separated by commas."),
    ] = "paper8",
    order: Annotated[int, typer.Option(min=0, help="By how many places the listed options are shifted.")] = 0,
    about: Annotated[
        str | None, typer.Option(help="The label that yes-no questions ask about.", show_default="each")
    ] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="Show what this subject receives: nano, a preset's name, a folder, an id on the hub, or an "
            "endpoint, 'URL#MODEL', of which nothing is asked."
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Width x height of the images, in pixels.")] = "512x384",
) -> None:
    """Print the exact wording of templates and of the possible answers, for an exam's labels.

    With a subject: the exact string that it receives, every token with its id, and the tokens of each answer.
    For an endpoint the messages that are sent, as JSON.
    """
    from eyechart.templates import load_templates

    names = _labels(labels)
    asked = _asked(load_templates(which), names, order, about)
    model = None
    if subject is not None and is_zero_shot(subject):
        raise EyechartError(f"{subject} is asked nothing", "its sentences stand in a run's provenance")
    if subject is not None and not is_endpoint(subject):
        from eyechart.subjects.loading import load_subject

        model = load_subject(subject, load)
    width, height = read_size(size)
    for question in asked:
        lines = [*_wording(question, names)]
        if model is not None:
            lines += [f"--- what {model.name} receives with an image of {width} x {height} pixels"]
            lines += _received(model, question, (height, width))
        elif subject is not None:
            lines += [*_sent(subject, question)]
        typer.echo("\n".join(lines) + "\n")


def _labels(told: str) -> tuple[str, ...]:
    if "," in told:
        return tuple(label.strip() for label in told.split(","))
    from eyechart.taxonomy import load_label_map

    return load_label_map(told).labels


def _asked(
    templates: Sequence[Template], labels: Sequence[str], order: int, about: str | None
) -> list[Question]:
    """Return the questions of one order, and about one label where they are about any."""
    from eyechart.templates import questions

    if about is not None and about not in labels:
        raise EyechartError(f"{about!r} is no label", f"labels: {', '.join(labels)}")
    found = questions(templates, labels, order + 1)
    return [
        q for q in found if q.order in (order if q.options else 0,) and q.about in (None, about or q.about)
    ]


def _wording(question: Question, labels: Sequence[str]) -> Iterator[str]:
    """Yield the lines that tell a question and its answers."""
    template = question.template
    yield f"=== {template.id} ({template.set}, {template.kind}, {template.language}, {template.split})"
    yield f"source: {template.source}"
    if question.options:
        yield f"order: {question.order}"
    yield f"--- question{f' about {question.about}' if question.about else ''}"
    yield question.text
    yield "--- answers"
    for name, candidate in zip(_names(question, labels), question.candidates, strict=True):
        yield f"{name}: {candidate}"


def _names(question: Question, labels: Sequence[str]) -> Sequence[str]:
    return labels if question.about is None else ("yes", "no")


def _received(subject: ModelSubject, question: Question, image_size: tuple[int, int]) -> Iterator[str]:
    """Yield the prompt's exact string and its tokens, image tokens in one line; then the answers'."""
    prompt = subject.prompt(question.text, image_size)
    yield prompt.text
    shown = len(prompt.image_positions)
    yield f"--- {len(prompt.ids)} tokens, {shown} of them the image: position, id, token"
    pieces = subject.processor.tokenizer.convert_ids_to_tokens(list(prompt.ids))
    image = set(prompt.image_positions)
    for (in_image, token), run in groupby(enumerate(prompt.ids), lambda pair: (pair[0] in image, pair[1])):
        positions = [position for position, _ in run]
        times = f" x {len(positions)}" if in_image else ""
        for position in positions[:1] if in_image else positions:
            yield f"{position:5} {token:7}  {pieces[position]!r}{times}"
    yield "--- tokens of each answer, its end included"
    for candidate in question.candidates:
        ids = list(subject.answer_ids(question.text, candidate, image_size))
        told = zip(ids, subject.processor.tokenizer.convert_ids_to_tokens(ids), strict=True)
        yield f"{candidate}: {'  '.join(f'{token} {piece!r}' for token, piece in told)}"


def _sent(subject: str, question: Question) -> Iterator[str]:
    """Yield the messages that an endpoint is sent."""
    from eyechart.subjects.address import read_address
    from eyechart.subjects.endpoint import conversation

    where = read_address(subject)
    yield f"--- messages that {where.model} at {where.url} is sent"
    yield json.dumps(conversation(question.text, IMAGE), indent=2, ensure_ascii=False)
