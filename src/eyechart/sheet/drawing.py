"""Draw a contact sheet as one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eyechart.distort import Pixels
from eyechart.sheet.cells import HEIGHT, WIDTH, Cell, Row

_MARGIN, _GAP, _LABELS, _CAPTION, _HEADING, _TITLE = 20, 8, 200, 20, 44, 50  # pixels
_INK, _QUIET, _LINE, _EMPTY = "#1a1a1a", "#666666", "#dddddd", "#f2f2f2"
_LETTERS = 30  # letters that fit beside a row


def drawn(title: str, about: str, rows: Sequence[Row]) -> Pixels:
    """Return the sheet (uint8 HWC RGB)."""
    columns = 1 + max(len(row.cells) for row in rows)
    families = [(family, list(group)) for family, group in groupby(rows, key=lambda row: row.family)]
    width = 2 * _MARGIN + _LABELS + columns * (WIDTH + _GAP)
    height = 2 * _MARGIN + _TITLE + len(families) * _HEADING + len(rows) * (HEIGHT + _CAPTION + _GAP)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(20))
    draw.text((_MARGIN, _MARGIN + 26), about, _QUIET, ImageFont.load_default(12))
    top = _MARGIN + _TITLE
    for family, members in families:
        draw.line((_MARGIN, top + 12, width - _MARGIN, top + 12), _LINE)
        draw.text((_MARGIN, top + 17), family, _INK, ImageFont.load_default(17))
        top += _HEADING
        for row in members:
            _draw_row(sheet, draw, top, row)
            top += HEIGHT + _CAPTION + _GAP
    return np.asarray(sheet)


def _draw_row(sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int, row: Row) -> None:
    name = "\n".join(textwrap.wrap(row.name, _LETTERS - 6))
    draw.multiline_text((_MARGIN, top), name, _INK, ImageFont.load_default(14), spacing=3)
    below = top + 20 * (name.count("\n") + 1) + 2
    parameter = "\n".join(textwrap.wrap(row.parameter, _LETTERS))
    draw.multiline_text((_MARGIN, below), parameter, _QUIET, ImageFont.load_default(12), spacing=3)
    for column, cell in enumerate((Cell(row.original, "original", ""), *row.cells)):
        left = _MARGIN + _LABELS + column * (WIDTH + _GAP)
        _draw_cell(sheet, draw, left, top, cell)


def _draw_cell(sheet: Image.Image, draw: ImageDraw.ImageDraw, left: int, top: int, cell: Cell) -> None:
    small = ImageFont.load_default(12)
    if cell.cut is None:
        draw.rectangle((left, top, left + WIDTH - 1, top + HEIGHT - 1), _EMPTY)
        reason = "\n".join(textwrap.wrap(cell.note, 24))
        draw.multiline_text((left + 6, top + 6), reason, _QUIET, small, spacing=3)
    else:
        sheet.paste(Image.fromarray(np.ascontiguousarray(cell.cut)), (left, top))
        draw.text((left + WIDTH, top + HEIGHT + 2), cell.note, _QUIET, small, anchor="ra")
    draw.text((left, top + HEIGHT + 2), cell.title, _INK, small)
