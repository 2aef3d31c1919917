"""Every table on the quality scores of a run."""

from __future__ import annotations

import pandas as pd

from eyechart.quality.agreement import agreement, headline
from eyechart.quality.bias import bias
from eyechart.quality.contradiction import contradictions
from eyechart.quality.spread import spread_over_repeats, spread_over_templates

READOUTS = ("choose", "generate", "yes-no")


def score_tables(
    scores: pd.DataFrame,
    targets: pd.DataFrame,
    answers: pd.DataFrame | None = None,
    clean: str = "clean",
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Return the tables that the scores allow; one that would be empty is absent.

    Args:
        scores: of all arms (:data:`eyechart.quality.run.COLUMNS`).
        targets: what each picture should get (:func:`eyechart.quality.pictures.targets`).
        answers: of an exam of the same arms, where there is one; it tells what distortion each arm names.
        clean: the label that says that there is no distortion.
        seed: of resamples and swaps.

    Returns:
        score_points (of the first way, image by image), score_agreement, score_changes, score_bias,
        score_bias_changes, score_spread, score_repeats, score_contradictions.
    """
    whole = scores.merge(targets, on="image_id", how="inner", validate="m:1")
    if answers is not None:
        whole = whole.merge(named(answers), on=["arm", "image_id"], how="left", validate="m:1")
    agrees, changes = agreement(whole, seed)
    biased, moved = bias(whole, seed)
    found = {
        "score_points": points(whole),
        "score_agreement": agrees,
        "score_changes": changes,
        "score_bias": biased,
        "score_bias_changes": moved,
        "score_spread": spread_over_templates(whole, seed),
        "score_repeats": spread_over_repeats(whole, seed),
    }
    if answers is not None:
        found["score_contradictions"] = contradictions(whole, clean, seed)
    return {name: table for name, table in found.items() if not table.empty}


def points(whole: pd.DataFrame) -> pd.DataFrame:
    """Return each image's score and target by the first way that was asked, for every arm."""
    first = whole.iloc[0]
    mine = headline(whole)
    mine = mine[(mine["template"] == first["template"]) & (mine["readout"] == first["readout"])]
    names = ["arm", "template", "readout", "corpus", "image_id", "label", "score", "target", "target_kind"]
    found: pd.DataFrame = mine.loc[mine["score"].notna() & mine["target"].notna(), names]
    return found


def named(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the label that each arm names for each image: arm, image_id, named (None where it names none).

    Of the first train template that was asked, by the readout that decides.
    """
    readout = next(one for one in READOUTS if one in set(answers["readout"]))
    mine = answers[(answers["readout"] == readout) & (answers["template_split"] == "train")]
    mine = mine if len(mine) else answers[answers["readout"] == readout]
    mine = mine[mine["template"] == mine["template"].iloc[0]]
    found: pd.DataFrame = mine[["arm", "image_id", "predicted"]].rename(columns={"predicted": "named"})
    return found
