"""The arms and ways of asking that the gallery is filtered by, one confusion matrix each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eyechart.report.inputs import Inputs
from eyechart.report.tables import READOUTS, records


@dataclass(frozen=True)
class Series:
    """One arm asked in one way: what a confusion matrix is of, and what the gallery is filtered by.

    Attributes:
        arm, readout: who was asked, and how.
        template: the wording, the first train one with this readout.
        before: the place of the series of the same readout that it is held against, or -1.
    """

    arm: str
    readout: str
    template: str
    before: int = -1


def all_series(inputs: Inputs, before: Mapping[str, str] | None = None) -> tuple[Series, ...]:
    """Return every arm and readout that was asked with a train wording (any wording where there is none).

    Args:
        inputs: the run.
        before: the arm that each arm is held against; without it that is "base" for all others.
    """
    if inputs.answers is None:
        return ()
    asked = inputs.answers[["arm", "readout", "template", "template_split"]].drop_duplicates()
    train = asked[asked["template_split"] == "train"]
    first = (train if len(train) else asked).drop_duplicates(["arm", "readout"])
    found = {(row["arm"], row["readout"]): str(row["template"]) for row in records(first)}
    keys = [(arm, name) for arm in inputs.arms for name in READOUTS if (arm, name) in found]
    if before is None:
        before = {arm: "base" for arm in inputs.arms if arm != "base"}
    places = {key: i for i, key in enumerate(keys)}
    return tuple(
        Series(arm, readout, found[arm, readout], places.get((before.get(arm, ""), readout), -1))
        for arm, readout in keys
    )
