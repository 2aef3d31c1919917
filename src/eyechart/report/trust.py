"""Can its quality scores be trusted: agreement, bias, wording, contradictions, by conditions on intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eyechart.quality.agreement import ALL
from eyechart.quality.pictures import OPINION
from eyechart.quality.standin import TOLD
from eyechart.report.figures import best_arm
from eyechart.report.numbers import Number, percent, place, plain
from eyechart.report.part import number_of
from eyechart.report.tables import Tables, pick, records

ALPHA = 0.05
_FOLLOWS = {
    "above": "they follow it",
    "below": "they run against it",
    "cannot tell": "cannot tell that they follow it",
}


def scores_trusted(tables: Tables) -> tuple[str, tuple[str, ...]]:
    """Return a verdict on the untuned subject's quality scores, and its reasons."""
    row = first_way(tables, "base")
    if row is None:
        told = "No quality scores were asked for; eyechart score SUBJECT DATASET --out RUN does."
        return "Not examined in this run", (told,)
    opinion = row["target_kind"] == OPINION
    srcc = number_of(row, "srcc")
    follows = place(srcc, 0)
    against = "opinion scores" if opinion else "the stand-in"
    reasons = [] if opinion else [f"There are no opinion scores here: scores are held against a {TOLD}."]
    reasons.append(
        f"Untuned, {row['template']}: rank correlation with {against} {shown(srcc)} on {row['n']} images "
        f"of {row['corpus']}; {_FOLLOWS[follows]}."
    )
    found = further(tables, row)
    reasons += [reason for _, reason in found]
    return _verdict(follows, [flaw for flaw, _ in found if flaw], opinion), tuple(reasons)


def further(tables: Tables, row: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what else is known of the scores of one way: the fault ("" for none) and a sentence on it."""
    parts = (_bias(tables, row), _wording(tables), _contradictions(tables, row), _tuned(tables, row))
    return [found for part in parts for found in part]


def _verdict(follows: str, flaws: list[str], opinion: bool) -> str:
    kind = "quality" if opinion else "a stand-in for quality"
    if follows == "below":
        return f"No, they run against {kind}"
    if follows == "cannot tell":
        return f"Cannot tell that they follow {kind}"
    if flaws:
        return f"In part: they follow {kind}, but are {' and '.join(flaws)}"
    return f"They follow {kind}; no fault found"


def first_way(tables: Tables, arm: str) -> dict[str, Any] | None:
    """Return the agreement by the first way that was asked: on the single corpus of most images."""
    table = tables.get("score_agreement")
    if table is None:
        return None
    mine = table[(table["arm"] == arm) & (table["corpus"] != ALL)]
    if mine.empty:
        return None
    first = mine.iloc[0]
    mine = mine[(mine["template"] == first["template"]) & (mine["readout"] == first["readout"])]
    asked = mine["n"] + mine["unscored"]  # the same for every arm, so that all tell of one corpus
    return records(mine.loc[asked.sort_values(ascending=False, kind="stable").index])[0]


def shown(number: Number, digits: int = 2) -> str:
    """Write a number that is no share with its interval: ``0.54 (0.46 to 0.61)``."""
    value, interval = plain(number, digits)
    return f"{value} ({interval})" if interval else value


def same_way(table: Any, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table that are of the arm, template and readout of another row."""
    keys = ["arm", "template", "readout"]
    return records(table[(table[keys] == [row[key] for key in keys]).all(axis=1)])


def _bias(tables: Tables, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what distortions do to the scores; against a stand-in its own bias forbids a verdict."""
    if "score_bias" not in tables:
        return
    opinion = row["target_kind"] == OPINION
    own = [one for one in same_way(tables["score_bias"], row) if one["target_kind"] == row["target_kind"]]
    mine = [one for one in own if one["by"] == "label"] or [one for one in own if one["by"] == "distortion"]
    beyond = [one for one in mine if one["p_holm"] < ALPHA]
    if len(mine) < 2:
        return
    if not beyond:
        # Swapping the signs of so many contents gives no smaller p than this, before Holm's correction.
        able = [one for one in mine if len(mine) * 2.0 ** (1 - one["contents"]) < ALPHA]
        least = f"Too few contents to tell a bias by distortion: at most {max(o['contents'] for o in mine)}."
        yield "", f"No bias by distortion beyond doubt, of {len(able)} kinds." if able else least
        return
    told = {
        word: [one["group"] for one in beyond if (one["bias"] > 0) == high]
        for word, high in (("too well", True), ("too badly", False))
    }
    words = "; ".join(f"{word}: {', '.join(names)}" for word, names in told.items() if names)
    if opinion:
        yield "biased by distortion", f"Scored beside others of equal opinion {words}."
    else:
        yield "", f"Against the stand-in, whose own bias by distortion is in this, scored {words}."


def _wording(tables: Tables) -> Iterator[tuple[str, str]]:
    row = pick(tables.get("score_spread"), arm="base")
    if row is None:
        return
    share = number_of(row, "image_share")
    said = (
        f"Over {row['templates']} wordings, the image makes {share} of the variance of the scores, a shift "
        f"by the wording {percent(row['shift_share'])}, the rest {percent(row['rest_share'])}"
    )
    verdict = {
        "above": ("", "mostly the image decides"),
        "below": ("dependent on the wording", "mostly the wording decides"),
        "cannot tell": ("", "cannot tell which decides"),
    }
    flaw, words = verdict[place(share, 0.5)]
    yield flaw, f"{said}: {words}."


def _contradictions(tables: Tables, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    table = tables.get("score_contradictions")
    if table is None:
        return
    words = {
        "above": ("at odds with what it names", "more often than"),
        "below": ("", "less often than"),
        "cannot tell": ("", "cannot tell it from"),
    }
    for one in same_way(table, row):
        rate = Number.of(one, "rate", "rate_low", "rate_high")
        flaw, than = words[place(rate, one["unrelated"])]
        quarter = "lowest" if one["case"].endswith("low") else "highest"
        name = one["case"].split(",")[0].capitalize()
        yield (
            flaw,
            f"{name}, yet scored in the {quarter} quarter of its scores: {rate} of {one['n']} "
            f"images of {one['contents']} contents; {than} the {percent(one['unrelated'])} of scores that "
            "know nothing of the names.",
        )


def _tuned(tables: Tables, row: dict[str, Any]) -> Iterator[tuple[str, str]]:
    against = "opinion scores" if row["target_kind"] == OPINION else "the stand-in"
    best = best_arm(tables)
    found = pick(
        tables.get("score_changes"),
        arm=best,
        template=row["template"],
        readout=row["readout"],
        corpus=row["corpus"],
    )
    if found is not None:
        change = number_of(found, "srcc")
        words = {"above": "better", "below": "worse", "cannot tell": "cannot tell a change"}
        told = f"After tuning {best}, the correlation with {against} moves by {shown(change)}"
        yield "", f"{told}: {words[place(change, 0)]}."
