"""Side files of corpora (csv, xlsx, mat, txt) as plain rows, read strictly."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyechart.errors import EyechartError

_MOST_BYTES = 200 * 2**20  # of an unpacked workbook
_AGAIN = "Fetch the file again."


def text_of(data: bytes) -> str:
    """Return a text file's characters: UTF-8, or Latin-1 where it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lines_of(data: bytes) -> list[str]:
    r"""Return the lines that are not blank, stripped, at any run of ``\r`` and ``\n``."""
    return [line.strip() for line in text_of(data).replace("\r", "\n").split("\n") if line.strip()]


def number(value: object) -> float:
    """Return a finite number; decimal commas are understood.

    Raises:
        ValueError: it is none.
    """
    found = float(str(value).strip().replace(",", "."))
    if not math.isfinite(found):
        raise ValueError(f"{value!r} is not finite")
    return found


def value(text: str) -> float | str:
    """Return a cell as a number where it is one, else as it is."""
    try:
        return number(text)
    except ValueError:
        return text


def csv_rows(
    data: bytes, where: str, columns: tuple[str, ...], tell: Callable[[str, str], None]
) -> list[dict[str, str]]:
    """Return a table's rows by column, names as in the file, stripped.

    Comma, semicolon and tab separate; which one, the header tells.

    Args:
        data: the file.
        where: its name, for messages.
        columns: names that the header must have.
        tell: is told of rows with more or fewer cells than the header, which are left out.

    Raises:
        EyechartError: a column is lacking.
    """
    lines = text_of(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    header = lines[0] if lines else ""
    separator = max(",;\t", key=header.count)
    reader = csv.reader((line for line in lines if line.strip()), delimiter=separator, skipinitialspace=True)
    names = [name.strip() for name in next(reader, [])]
    _require(columns, names, where)
    rows = []
    for count, cells in enumerate(reader, 2):
        if len(cells) != len(names):
            tell(f"row {count}", f"It has {len(cells)} cells, not {len(names)}, and is left out.")
            continue
        rows.append({name: cell.strip() for name, cell in zip(names, cells, strict=True)})
    return rows


def xlsx_rows(data: bytes, where: str, columns: tuple[str, ...], sheet: str = "") -> list[dict[str, Any]]:
    """Return the rows below the header of a workbook's sheet, by column.

    The header is the first row that has all the columns, wherever it stands. Numbers come as numbers. Rows
    without a value in the first column are padding and left out.

    Args:
        data: the workbook.
        where: its name, for messages.
        columns: names that the header must have.
        sheet: the sheet's name; "" for the first one that has the header.

    Raises:
        EyechartError: no workbook, no such sheet, no such header.
    """
    found: list[str] = []
    for name, rows in _sheets(data, where):
        if sheet and name.casefold() != sheet.casefold():
            continue
        for cells in rows:
            header = [str(cell).strip() if cell is not None else "" for cell in cells]
            if set(columns) <= set(header):
                places = {column: header.index(column) for column in header if column}
                return [
                    {column: cells[at] for column, at in places.items()}
                    for cells in rows
                    if cells[places[columns[0]]] is not None
                ]
        found.append(name)
    what = f"{where} has no sheet{f' {sheet}' if sheet else ''} with the columns {', '.join(columns)}."
    raise EyechartError(what, _AGAIN)


def _sheets(data: bytes, where: str) -> Iterator[tuple[str, Iterator[tuple[Any, ...]]]]:
    import openpyxl

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > _MOST_BYTES:
            raise ValueError(f"unpacked it has {size:,} bytes")
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except Exception as error:  # a damaged workbook provokes whatever its XML does
        raise EyechartError(f"{where} is no readable workbook ({error}).", _AGAIN) from error
    for sheet in book.worksheets:
        yield sheet.title, sheet.iter_rows(values_only=True)


def mat_arrays(data: bytes, where: str, *names: str) -> dict[str, NDArray[Any]]:
    """Return those of the named variables of a MATLAB file that it has, flattened.

    Cells of strings become arrays of str.

    Raises:
        EyechartError: no readable MATLAB file (version 4 to 7).
    """
    from scipy.io import loadmat

    try:
        held = loadmat(
            io.BytesIO(data),  # type: ignore[arg-type]
            variable_names=list(names),
            chars_as_strings=True,
        )
    except Exception as error:  # a damaged file provokes whatever its bytes do
        raise EyechartError(f"{where} is no readable MATLAB file ({error}).", _AGAIN) from error
    return {name: _flat(held[name]) for name in names if name in held}


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    cells = array.ravel()
    if cells.dtype != object:
        return cells
    return np.array([str(np.asarray(cell).ravel()[0]) if np.asarray(cell).size else "" for cell in cells])


def _require(columns: tuple[str, ...], names: list[str], where: str) -> None:
    lacking = [column for column in columns if column not in names]
    if lacking:
        found = ", ".join(names) or "nothing"
        raise EyechartError(f"{where} has no column {', '.join(lacking)}; it has {found}.", _AGAIN)
