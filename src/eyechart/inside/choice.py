"""Which images are looked at, and what is asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eyechart.errors import EyechartError
from eyechart.inside.spread import spread
from eyechart.seeds import rng
from eyechart.templates import Template, load_templates

if TYPE_CHECKING:
    import pandas as pd


def looked_at(table: pd.DataFrame, count: int | None, seed: int) -> pd.DataFrame:
    """Return so many rows of a split, spread over its labels and contents, in the order of the table.

    Args:
        table: rows of a split.
        count: how many; None is all.
        seed: of the run.
    """
    if count is None or count >= len(table):
        return table.reset_index(drop=True)
    drawn = table.iloc[rng(seed, "images looked at").permutation(len(table))]
    return table.loc[sorted(spread(drawn).index[:count])].reset_index(drop=True)


def template_of(name: str | None) -> Template:
    """Return the template of an id; None gives the first train template.

    Raises:
        EyechartError: there is no such template, or its question is about one label only.
    """
    if name is None:
        return next(template for template in load_templates() if template.split == "train")
    found = load_templates(name)
    if len(found) != 1 or found[0].kind == "yes-no":
        raise EyechartError(
            f"{name!r} is no single question about all labels",
            "name the id of one template that is not yes-no; eyechart templates lists them",
        )
    return found[0]
