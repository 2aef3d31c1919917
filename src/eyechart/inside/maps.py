"""Which tokens of a picture lie near its label's word: the cosines of single tokens, to be drawn over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from eyechart.errors import EyechartError
from eyechart.inside.distance import image_columns
from eyechart.inside.nearness import cosines, middle
from eyechart.inside.token_grid import TokenGrid, token_grid
from eyechart.inside.words import word_of
from eyechart.subjects.stages import PROJECTED

if TYPE_CHECKING:
    from eyechart.inside.look import Look


def maps(look: Look) -> pd.DataFrame | None:
    """Return the centred cosine of every token with its own label's word, for some pictures of the gallery.

    Returns:
        One row a label: the picture of its hardest level. ``rows`` and ``columns`` of the tokens' grid,
        ``area`` (the part of the picture that it covers: top, bottom, left, right), ``cosines`` (row by row;
        those of :func:`eyechart.inside.distance.semantic_distance`, whose mean is ``centred_own``),
        ``reason`` (why it cannot be drawn, then ``rows`` is 0; else empty). None without a gallery or tokens.
    """
    if PROJECTED not in look.states.kept or not look.run.has("gallery.parquet"):
        return None
    table = look.table.reset_index(drop=True)
    shown = table[table["image_id"].isin(look.run.read_table("gallery.parquet")["image_id"])]
    if shown.empty:
        return None
    chosen = shown.sort_values("level", kind="stable").drop_duplicates("label", keep="last")
    tokens = look.states.tokens(PROJECTED)
    centre = middle(tokens)
    vocabulary = look.subject.model.get_input_embeddings().weight.detach().float().mean(0).cpu()
    rows, grids = [], _Grids(look)
    for place, image in zip(chosen.index, look.dataset.images("test", list(chosen["image_id"])), strict=True):
        word = look.subject.word_embedding(word_of(str(table["label"][place]))).cpu() - vocabulary
        near = cosines(tokens[int(place)] - centre, word[None])[:, 0]
        rows.append(grids.of(image) | {"cosines": near.tolist()})
    return pd.concat([image_columns(chosen), pd.DataFrame(rows)], axis=1).assign(arm=look.arm)


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
