"""Which tokens of a picture lie near its label's word: the cosines of single tokens, to be drawn over it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pandas as pd

from eyechart.errors import EyechartError
from eyechart.inside.distance import image_columns
from eyechart.inside.nearness import cosines, middle
from eyechart.inside.token_grid import TokenGrid, token_grid
from eyechart.inside.words import word_of
from eyechart.subjects.model import Pixels
from eyechart.subjects.stages import PROJECTED

if TYPE_CHECKING:
    from eyechart.inside.look import Look

_SIDE = 160  # pixels of the longer side of a kept picture


def maps(look: Look) -> pd.DataFrame | None:
    """Return the centred cosine of every token with its own label's word, for a few pictures.

    Returns:
        One row a label: a picture of its hardest level, one of the report's gallery where it can be.
        ``image`` (PNG, shrunk if it is large), ``rows`` and ``columns`` of the tokens' grid, ``area`` (the
        part of the picture that it covers: top, bottom, left, right), ``cosines`` (row by row; those of
        :func:`eyechart.inside.distance.semantic_distance`, whose mean is ``centred_own``), ``reason`` (why
        it cannot be drawn, then ``rows`` is 0; else empty). None where no tokens are kept.
    """
    if PROJECTED not in look.states.kept:
        return None
    chosen = _chosen(look)
    tokens = look.states.tokens(PROJECTED)
    centre = middle(tokens)
    vocabulary = look.subject.model.get_input_embeddings().weight.detach().float().mean(0).cpu()
    rows, grids = [], _Grids(look)
    for (place, label), image in zip(
        chosen["label"].items(), look.dataset.images("test", list(chosen["image_id"])), strict=True
    ):
        word = look.subject.word_embedding(word_of(str(label))).cpu() - vocabulary
        near = cosines(tokens[int(str(place))] - centre, word[None])[:, 0]
        rows.append(grids.of(image) | {"cosines": near.tolist(), "image": _png(image)})
    return pd.concat([image_columns(chosen), pd.DataFrame(rows)], axis=1).assign(arm=look.arm)


def _chosen(look: Look) -> pd.DataFrame:
    """Return a row of each label, with its place among the look's images as index."""
    table = look.table.reset_index(drop=True)
    shown: set[str] = set()
    if look.run.has("gallery.parquet"):
        shown = set(look.run.read_table("gallery.parquet")["image_id"])
    ordered = table.assign(shown=table["image_id"].isin(shown)).sort_values(["level", "shown"], kind="stable")
    hardest = ordered.drop_duplicates("label", keep="last")
    return hardest.sort_values("label", key=lambda labels: labels.map(look.labels.index))


def _png(image: Pixels) -> bytes:
    """Return a picture as PNG, at most ``_SIDE`` px high and wide."""
    from PIL import Image

    picture, buffer = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((_SIDE, _SIDE))
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


class _Grids:
    """The grids of a subject's tokens, found once for every size of picture."""

    def __init__(self, look: Look) -> None:
        self._subject = look.subject
        self._known: dict[tuple[int, ...], TokenGrid | str] = {}

    def of(self, image: Any) -> dict[str, Any]:
        """Return the columns that tell how a picture's tokens lie on it."""
        if image.shape not in self._known:
            try:
                self._known[image.shape] = token_grid(self._subject, image)
            except EyechartError as refused:
                self._known[image.shape] = refused.what
        grid = self._known[image.shape]
        if isinstance(grid, str):
            return {"rows": 0, "columns": 0, "area": [], "reason": grid}
        return {"rows": grid.rows, "columns": grid.columns, "area": list(grid.area), "reason": ""}
