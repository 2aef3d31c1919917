"""The verdict: where what the images show is lost, overall and for each label (METHODS, Verdict)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from eyechart.inside.kept import KEPT, LOST, OVERALL, UNSURE, measure
from eyechart.inside.rungs import (
    CHOSEN,
    CORRECTED,
    ENCODER,
    LANGUAGE,
    OTHERS_CHOSEN,
    OTHERS_WRITTEN,
    RENAMED,
    WRITTEN,
    sheet,
)
from eyechart.subjects.stages import ENCODED, LAST, PROJECTED

if TYPE_CHECKING:
    import pandas as pd

    from eyechart.inside.look import Look

IN_ENCODER, IN_PROJECTOR, IN_LANGUAGE = "encoder", "projector", "language"
NOT_READ, IN_WORDS, PERCEIVED, UNKNOWN = "not read out", "wording or decoding", "perceived", "cannot tell"
PROBES = "probes.parquet"  # the file of the step that the first rungs are made from
SENTENCES = {
    IN_ENCODER: "The encoder does not carry it",
    IN_PROJECTOR: "The projector loses it",
    IN_LANGUAGE: "The language model loses it",
    NOT_READ: "It is there and not read out",
    IN_WORDS: "Wording or decoding",
    PERCEIVED: "Perceived",
}
# The way to an answer; what is lost on the step that ends at a rung is lost in that part.
_WAY = {
    ENCODER: IN_ENCODER,
    ENCODED: IN_ENCODER,
    PROJECTED: IN_PROJECTOR,
    LANGUAGE: IN_LANGUAGE,
    LAST: IN_LANGUAGE,
    RENAMED: NOT_READ,
    CHOSEN: NOT_READ,
}
_ASKED = (CHOSEN, WRITTEN, OTHERS_CHOSEN, OTHERS_WRITTEN)
_SAID = (*_ASKED, CORRECTED)


@dataclass(frozen=True)
class Finding:
    """A verdict.

    Attributes:
        verdict: one of the constants above.
        why: what tells more, in words; may be empty.
        rung: the rung that carries it: where it is lost or, at last, kept.
    """

    verdict: str
    why: str
    rung: str


def rungs(look: Look) -> pd.DataFrame:
    """Return how much each rung of an arm keeps (see :func:`eyechart.inside.kept.measure`)."""
    images = sheet(look.found(PROBES), look.answers, look.template, look.labels)
    return measure(images, look.seed)


def verdict(look: Look) -> pd.DataFrame:
    """Return the verdicts on an arm (see :func:`verdicts`)."""
    return verdicts(look.found("rungs.parquet"))


def decide(rungs: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Return the verdict of one scope.

    What one rung keeps, every rung before it must have had; so the last rung on the way that keeps it is
    looked for, and the loss lies on the step to the first rung after it that has lost it. If rungs lie
    between of which it cannot be told, and they belong to other parts, the verdict cannot be told either;
    nor where it is not read out but some other reading might have it.

    Args:
        rungs: by name, in their order: the rows of :func:`eyechart.inside.kept.measure`.
    """
    states = {rung: str(row["state"]) for rung, row in rungs.items()}
    if any(states.get(rung) == KEPT for rung in _SAID):
        return _answered(rungs, states)
    way = [rung for rung in _WAY if rung in states]
    kept = max((i for i, rung in enumerate(way) if states[rung] == KEPT), default=-1)
    after = way[kept + 1 :]
    unsure = list(takewhile(lambda rung: states[rung] == UNSURE, after))
    if len(unsure) == len(after):
        return Finding(UNKNOWN, "", after[0] if after else way[-1])
    lost = after[len(unsure)]
    parts = list(dict.fromkeys(_WAY[rung] for rung in (*unsure, lost)))
    if parts == [NOT_READ] and any(states.get(rung) == UNSURE for rung in _SAID):
        parts.append(IN_WORDS)
    if len(parts) > 1:
        return Finding(UNKNOWN, " or ".join(_NAMED[part] for part in parts), lost)
    return Finding(parts[0], _why(lost, states), lost)


_NAMED = {
    IN_ENCODER: "in the encoder",
    IN_PROJECTOR: "in the projector",
    IN_LANGUAGE: "in the language model",
    NOT_READ: "between the language model and the words",
    IN_WORDS: "in wording or decoding",
}


def _why(lost: str, states: Mapping[str, str]) -> str:
    """Say more of a loss, where other rungs tell."""
    if lost == ENCODED and states.get(ENCODER) == KEPT:
        return "an early layer holds it, a later one loses it"
    if lost == LAST and states.get(LANGUAGE) == KEPT:
        return "it stands at the image positions and does not get to the position that answers"
    if lost == CHOSEN and states.get(RENAMED) == KEPT:
        return "the labels are told apart and called by each other's names"
    return ""


def _answered(rungs: Mapping[str, Mapping[str, Any]], states: Mapping[str, str]) -> Finding:
    """Return the verdict where at least one way of asking gets it: perceived, unless another way does not."""
    lost = [rung for rung in _ASKED if states.get(rung) == LOST]
    if not lost:
        unsure = [rung for rung in _ASKED if states.get(rung) == UNSURE]
        said = next(rung for rung in (WRITTEN, *_SAID) if states.get(rung) == KEPT)
        return Finding(UNKNOWN if unsure else PERCEIVED, "", unsure[0] if unsure else said)
    first = lost[0]
    if first == CHOSEN and states.get(CORRECTED) == KEPT:
        return Finding(IN_WORDS, "the answer prior: without it the choice is right", first)
    if first == CHOSEN:
        return Finding(IN_WORDS, "another way of asking gets it", first)
    if first == WRITTEN:
        off = 2 * float(rungs[WRITTEN]["unnamed"]) > 1
        return Finding(
            IN_WORDS, "its texts name no label" if off else "its texts do not say what it chooses", first
        )
    return Finding(IN_WORDS, "only the wording that was asked first gets it", first)


def verdicts(measured: pd.DataFrame) -> pd.DataFrame:
    """Return one row a scope: scope, verdict, why, sentence, rung, n, contents.

    Where half of the labels are lost and the others kept, the mean score lies near half, and cannot tell; the
    verdict of more than half of the labels is then the overall one, too.

    Args:
        measured: what :func:`eyechart.inside.kept.measure` returned.
    """
    import pandas as pd

    scopes: dict[str, dict[str, Any]] = {
        str(scope): {str(row["rung"]): row for row in part.to_dict("records")}
        for scope, part in measured.groupby("scope", sort=False)
    }
    found = {scope: decide(rungs) for scope, rungs in scopes.items()}
    if found[OVERALL].verdict == UNKNOWN:
        found[OVERALL] = _of_most([one for scope, one in found.items() if scope != OVERALL]) or found[OVERALL]
    rows = []
    for scope, one in found.items():
        first = next(iter(scopes[scope].values()))
        rows.append(
            {"scope": scope, "verdict": one.verdict, "why": one.why, "rung": one.rung}
            | {"sentence": sentence(one, scopes[scope])}
            | {"n": int(first["n"]), "contents": int(first["contents"])}
        )
    return pd.DataFrame(rows)


def _of_most(labels: Sequence[Finding]) -> Finding | None:
    """Return the verdict that more than half of the labels have, if there is one."""
    most, count = Counter(one.verdict for one in labels).most_common(1)[0]
    if most == UNKNOWN or 2 * count <= len(labels):
        return None
    rung = Counter(one.rung for one in labels if one.verdict == most).most_common(1)[0][0]
    return Finding(most, f"so {count} of {len(labels)} labels", rung)


def title(verdict: str, why: str, contents: int, n: int) -> str:
    """Return a verdict in a few words."""
    if verdict == UNKNOWN:
        return f"Cannot tell at n = {n} ({contents} contents)" + (f": lost {why}" if why else "")
    return SENTENCES[verdict]


def sentence(found: Finding, rungs: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the verdict in plain words, with the numbers that carry it."""
    row = rungs[found.rung]
    told = title(found.verdict, found.why, int(row["contents"]), int(row["n"]))
    if found.why and found.verdict != UNKNOWN:
        told += f": {found.why}"
    carried = _carried(found.rung, row)
    return f"{told}. {carried[0].upper()}{carried[1:]}"


def _carried(rung: str, row: Mapping[str, Any]) -> str:
    """Return what a rung keeps of the best one before it."""
    if not row["reference"] or not row["reference_score"] > 0:
        return f"Nothing before {_told(rung, row)} tells it apart."
    kept, low, high = (100 * float(row[name]) for name in ("kept", "kept_low", "kept_high"))
    best = f"{row['reference']} ({100 * float(row['reference_score']):.0f} of 100)"
    if high - low >= 100:  # a share of next to nothing may be anything
        return f"{best} tells it apart too little to say how much of that {_told(rung, row)} keeps."
    share = f"{kept:.0f} % ({low:.0f} to {high:.0f})".replace("-", "−")
    return f"{_told(rung, row)} keeps {share} of what {best} tells apart."


def _told(rung: str, row: Mapping[str, Any]) -> str:
    return str(row["stage"]) if rung in (ENCODER, LANGUAGE) and row["stage"] else rung
