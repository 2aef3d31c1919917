"""Write a contact sheet as one PNG or one HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from eyechart import __version__
from eyechart.corpora.photos import read_photo
from eyechart.distort import Pixels
from eyechart.errors import EyechartError
from eyechart.folder import Version
from eyechart.folder.make import encoded
from eyechart.runs import writing
from eyechart.sheet.cells import Row, sheet_rows


def write_sheet(
    source: Path, out: Path, versions: Sequence[Version], *, seed: int = 0, stretch: bool = False
) -> Path:
    """Write a contact sheet of one picture: a row per type, a cut of every version at native size.

    All cuts show the same part of the picture, but in rows whose distortion happens to lie elsewhere.

    Args:
        source: the picture.
        out: a file whose suffix is ``.png`` or ``.html``; the page needs nothing beside it.
        versions: see :func:`eyechart.folder.parse_versions`.
        seed: of the random distortions; the pixels are those of ``distort_folder``.
        stretch: spread the values over 0 to 255 before and after each distortion (KADID-10k).

    Raises:
        EyechartError: another suffix, a picture that cannot be read, or the file system refused.
    """
    draw = {".png": _png, ".html": _html}.get(out.suffix.lower())
    if draw is None:
        raise EyechartError(f"a contact sheet cannot be {out.suffix!r}", "name a .png or .html file")
    picture = read_photo(source)
    rows = sheet_rows(picture, versions, image_id=source.name, seed=seed, stretch=stretch)
    title = f"{source.name}, {picture.shape[1]} x {picture.shape[0]} pixels"
    about = f"eyechart {__version__}, seed {seed}{', stretched' if stretch else ''}"
    data = draw(title, about, rows)
    with writing(out) as partial:
        partial.write_bytes(data)
    return out


def _png(title: str, about: str, rows: Sequence[Row]) -> bytes:
    from eyechart.sheet.drawing import drawn

    return encoded(drawn(title, about, rows))


def _html(title: str, about: str, rows: Sequence[Row]) -> bytes:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["uri"] = _uri
    families = [(family, list(group)) for family, group in groupby(rows, key=lambda row: row.family)]
    page = environment.get_template("sheet.html.j2").render(title=title, about=about, families=families)
    return page.encode()


def _uri(image: Pixels) -> str:
    return f"data:image/png;base64,{base64.b64encode(encoded(image)).decode()}"
