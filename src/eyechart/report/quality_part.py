"""The section on quality scores: agreement, bias, wordings, contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from eyechart.quality.pictures import OPINION
from eyechart.quality.standin import TOLD
from eyechart.report.numbers import Number, decimal, percent
from eyechart.report.part import Part, called, grid, number_of, plain_cell, ranked, share_cell
from eyechart.report.quality_figures import bias_figure, scatter_figure, wordings_figure
from eyechart.report.tables import Tables, records
from eyechart.report.trust import first_way, further, shown
from eyechart.report.views import Grid

_READING = (
    "Scores are 0 (worst) to 1 (best). SRCC and KRCC compare ranks; PLCC and RMSE are taken after a logistic "
    "curve with four parameters has mapped scores to {target}; where SRCC may be 0, PLCC has no interval. A "
    "bias is the mean of score minus what images of equal {target} are scored: above 0, images of this kind "
    "are scored too well beside others of equal {target}."
)
_STAND_IN = (
    "This dataset has no opinion scores. Scores are held against a {told}. SSIM weighs distortions in its "
    "own way, so that a bias by distortion is partly its own; what changes from arm to arm is the subject's."
)


def quality(tables: Tables, arms: Sequence[str]) -> Part | None:
    """Return the section on quality scores; None where none were asked for.

    Args:
        tables: of the report.
        arms: the untuned arm and the best one.
    """
    if "score_agreement" not in tables:
        return None
    rows = [row for arm in arms if (row := first_way(tables, arm)) is not None]
    if not rows:
        return None
    kinds = set(tables["score_agreement"]["target_kind"])
    target = "opinion scores" if kinds == {OPINION} else "the target"
    return Part(
        lead=_sentence(rows[0]),
        reading=_READING.format(target=target),
        also=(*(_sentence(row) for row in rows[1:]), *(told for _, told in further(tables, rows[0]))),
        notes=() if kinds == {OPINION} else (_STAND_IN.format(told=TOLD),),
        figures=tuple(_figures(tables, rows)),
        grids=tuple(_grids(tables, arms)),
        folded=tuple(_folded(tables, arms, rows[0])),
    )


def _sentence(row: dict[str, Any]) -> str:
    against = (
        "opinion scores" if row["target_kind"] == OPINION else "the full-reference stand-in, not opinion"
    )
    unscored = f"; {row['unscored']} images got no score" if row["unscored"] else ""
    line = " (a line, as the logistic did not fit)" if row["mapping"] == "linear" else ""
    return (
        f"{called(row)}, against {against} ({row['corpus']}, {row['n']} images): SRCC "
        f"{shown(number_of(row, 'srcc'))}, PLCC {shown(number_of(row, 'plcc'))}{line}{unscored}."
    )


def _figures(tables: Tables, rows: Sequence[dict[str, Any]]) -> Iterator[Any]:
    if "score_points" in tables:
        yield scatter_figure(tables["score_points"], rows)
    if "score_bias" in tables and (found := bias_figure(tables["score_bias"], rows)) is not None:
        yield found
    yield wordings_figure(tables["score_agreement"], rows)


def _grids(tables: Tables, arms: Sequence[str]) -> Iterator[Grid]:
    yield _agreement(tables["score_agreement"], arms)
    if "score_changes" in tables:
        yield _changes(tables["score_changes"], arms)
    if "score_contradictions" in tables:
        yield _contradictions(tables["score_contradictions"], arms)
    if "score_spread" in tables:
        yield _spread(tables["score_spread"])
    if "score_repeats" in tables:
        yield _repeats(tables["score_repeats"], arms)


def _folded(tables: Tables, arms: Sequence[str], first: dict[str, Any]) -> Iterator[Grid]:
    """Yield the biases by the first way; those by the others are in the csv tables."""
    for by, name in (("label", "true label"), ("named", "label that it names"), ("distortion", "true type")):
        table = _of_way(tables.get("score_bias"), first)
        if len(table) and (table["by"] == by).any():
            yield _bias(table[table["by"] == by], arms, name)
    if len(moved := _of_way(tables.get("score_bias_changes"), first)):
        yield _moved(moved, arms)


def _of_way(table: pd.DataFrame | None, first: dict[str, Any]) -> pd.DataFrame:
    """Return the rows of a table that are of one template and readout, of all arms."""
    if table is None:
        return pd.DataFrame()
    keys = ["template", "readout"]
    return table[(table[keys] == [first[key] for key in keys]).all(axis=1)]


def _way(row: dict[str, Any]) -> str:
    text = " (text)" if row.get("kind") == "levels" and row.get("readout") == "text" else ""
    return f"{row['arm']}, {row['template']}{text}"


def _agreement(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(_ranked(table, arms)):
        cells = [plain_cell(row, name) for name in ("srcc", "plcc", "krcc", "rmse")]
        where = f"{row['corpus']}, {row['target_kind']}"
        rows.append((_way(row), [where, str(row["n"]), str(row["unscored"]), *cells, str(row["mapping"])]))
    heads = ("against", "images", "no score", "SRCC", "PLCC", "KRCC", "RMSE", "curve")
    return grid("How scores agree, with 95 % intervals by content", "arm, wording", heads, rows)


def _changes(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = [
        (_way(row), [str(row["n"]), *(plain_cell(row, name) for name in ("srcc", "plcc", "krcc", "rmse"))])
        for row in records(_ranked(table, arms))
    ]
    heads = ("images", "SRCC", "PLCC", "KRCC", "RMSE")
    return grid("What tuning changes: minus base, same images", "arm, wording", heads, rows)


def _contradictions(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(_ranked(table, arms)):
        rate = share_cell(row, "rate")
        told = [str(row["case"]), str(row["n"]), rate, percent(row["unrelated"]), percent(row["least"])]
        rows.append((_way(row), told))
    heads = ("contradiction", "images so named", "of these", "if unrelated", "at least")
    caption = "Where the score contradicts the name (low, high: quarters of its own scores)"
    return grid(caption, "arm, wording", heads, rows)


def _spread(table: pd.DataFrame) -> Grid:
    rows = []
    for row in records(table):
        shares = [share_cell(row, name) for name in ("image_share", "shift_share", "rest_share")]
        cells = [str(row["templates"]), str(row["n"]), plain_cell(row, "sd", 3), *shares]
        rows.append((str(row["arm"]), cells))
    heads = ("wordings", "images", "s.d. per image", "image", "shift by wording", "rest")
    return grid("What makes the variance of scores over wordings", "arm", heads, rows)


def _repeats(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(_ranked(table, arms)):
        told = [str(row["repeats"]), str(row["n"]), percent(row["unscored"]), plain_cell(row, "sd", 3)]
        rows.append((_way(row), [*told, share_cell(row, "within_share")]))
    heads = ("repeats", "images", "no score", "s.d. per image", "share of variance")
    return grid("What makes sampled scores of one image differ", "arm, wording", heads, rows)


def _bias(table: pd.DataFrame, arms: Sequence[str], name: str) -> Grid:
    rows = []
    for row in records(_ranked(table, arms)):
        against = str(row["target_kind"])
        told = [str(row["group"]), against, str(row["n"]), plain_cell(row, "bias", 3), decimal(row["p_holm"])]
        rows.append((_way(row), told))
    heads = (name, "against", "images", "bias", "p (Holm)")
    return grid(f"Bias by {name}", "arm, wording", heads, rows)


def _moved(table: pd.DataFrame, arms: Sequence[str]) -> Grid:
    rows = []
    for row in records(_ranked(table, arms)):
        change = Number.of(row, "change", "change_low", "change_high")
        rows.append((_way(row), [str(row["group"]), str(row["n"]), shown(change, 3)]))
    heads = ("true label", "images", "bias minus that of base")
    return grid("What tuning does to the bias, same images", "arm, wording", heads, rows)


def _ranked(table: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    return ranked(table, arms) if len(table) else table
