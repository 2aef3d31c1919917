"""The report's first screen and main tables as Markdown, for those who read or paste text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from eyechart.report.answer import Answer
from eyechart.report.inputs import Inputs
from eyechart.report.part import Part
from eyechart.report.render import visible
from eyechart.report.views import Grid

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#&$~{}])")


def escaped(text: object) -> str:
    """Return a text of one line in which nothing is Markdown or HTML; invisible characters are made visible.

    >>> escaped("a|b <i>_c_")
    'a\\\\|b \\\\<i\\\\>\\\\_c\\\\_'
    """
    return _SPECIAL.sub(r"\\\1", " ".join(str(visible(str(text))).split()))


def as_markdown(
    inputs: Inputs,
    answers: Sequence[Answer],
    grids: Sequence[tuple[str, Sequence[Grid]]],
    parts: Sequence[tuple[str, Part]],
) -> str:
    """Return the report as Markdown.

    Args:
        inputs: the run.
        answers: to the four questions.
        grids: titles and tables of the first sections.
        parts: titles and contents of the sections of measures; the folded tables are left to the page.
    """
    lines = [f"# Does {escaped(inputs.config.get('subject', 'unnamed subject'))} see distortions?", ""]
    lines += [_of_what(inputs), ""]
    for answer in answers:
        lines += [f"## {escaped(answer.question)}", "", f"**{escaped(answer.verdict)}**", ""]
        lines += [*(f"- {escaped(reason)}" for reason in answer.reasons), ""]
    for title, tables in grids:
        if tables:
            lines += [f"## {escaped(title)}", "", *(line for table in tables for line in _table(table))]
    for title, part in parts:
        lines += [f"## {escaped(title)}", "", f"**{escaped(part.lead)}**", "", escaped(part.reading), ""]
        lines += [*(f"- {escaped(one)}" for one in (*part.notes, *part.also)), ""]
        lines += [line for table in part.grids for line in _table(table)]
    lines += ["## How to reproduce", ""]
    command = " ".join(str(inputs.provenance.get("command") or "make study").split())
    lines += [f"    {visible(command)}", "", "Intervals are at 95 %, from a bootstrap over contents."]
    lines += ["All numbers: tables/\\*.csv; the page: report.html."]
    return "\n".join(lines) + "\n"


def _of_what(inputs: Inputs) -> str:
    told = [
        f"Dataset {escaped(inputs.dataset.get('name', 'unnamed'))} {escaped(inputs.dataset.get('hash', ''))}"
    ]
    if inputs.answers is not None:
        images, contents = inputs.answers["image_id"].nunique(), inputs.answers["content"].nunique()
        told.append(f"{images} images of {contents} contents")
    return ", ".join([*told, f"{len(inputs.labels)} labels"]) + "."


def _table(grid: Grid) -> Iterator[str]:
    """Yield the lines of a table and its caption."""
    yield f"{escaped(grid.caption)}:"
    yield ""
    yield _row([grid.corner, *grid.columns])
    yield "|" + "---|" * (1 + len(grid.columns))
    for name, cells in grid.rows:
        yield _row([name, *(_cell(cell.text) for cell in cells)])
    yield ""


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(escaped(text) for text in texts)} |"


def _cell(text: str) -> str:
    """Return a cell's lines as one: the first, and the others in brackets."""
    first, *rest = text.split("\n")
    return f"{first} ({'; '.join(rest)})" if rest else first
