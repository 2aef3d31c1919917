"""Scoring templates: one wording of the question about quality, with how an answer becomes a number."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eyechart.errors import EyechartError
from eyechart.templates.files import read_yaml, refuse_unknown

FOLDER = Path(__file__).with_name("sets")
LEVEL, NUMBER = "{level}", "{number}"


class ScoringTemplate(BaseModel):
    """One wording of the question about quality.

    Attributes:
        id: unique name.
        set: the set it belongs to, which is its file's name.
        kind: ``levels`` (a word is chosen by likelihood) or ``number`` (the subject writes one).
        split: ``train-like`` (in the manner of the wordings that quality models are tuned on) or ``other``.
        text: the wording.
        answer: how an answer is written: ``{level}`` or ``{number}`` stands at its end. What stands before is
            put into the subject's mouth.
        levels: of ``levels``, best first: the words of each. A level's log-likelihood is the mean over its
            words, each taken whole.
        scale: what the worst and the best answer are worth; the levels between are equally far apart.
        language: ISO 639-1 code.
        source: where the wording and the rule come from.
        preset: a preset of :mod:`eyechart.models.mplug_owl2.presets` whose exact prompt an mPLUG-Owl2 is
            asked instead, of pictures made square as it says; other families get the wording through their
            own chat template.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    set: str
    kind: Literal["levels", "number"]
    split: Literal["train-like", "other"]
    text: str = Field(min_length=1)
    answer: str
    levels: tuple[tuple[str, ...], ...] = ()
    scale: tuple[float, float] = (0, 1)
    language: str
    source: str = Field(min_length=1)
    preset: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words of all levels, best level first."""
        return tuple(word for level in self.levels for word in level)

    @property
    def beginning(self) -> str:
        """Return what is put into the subject's mouth before the level or number, without the last space."""
        return self.answer.partition("{")[0].rstrip()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        place = LEVEL if self.kind == "levels" else NUMBER
        if not self.answer.endswith(place) or self.answer.count("{") != 1:
            raise ValueError(f"answer must end in {place}, and hold no other place")
        if (self.kind == "levels") != bool(self.levels):
            raise ValueError("levels are given for the kind levels, and for no other")
        if self.kind == "levels" and (len(self.levels) < 2 or not all(self.levels)):
            raise ValueError("levels must be two lists of words at least, best first")
        if len(set(self.words)) < len(self.words) or not all(word.strip() for word in self.words):
            raise ValueError("a word of the levels is empty or stands twice")
        if not self.scale[0] < self.scale[1]:
            raise ValueError("scale is [worst, best], in rising order")
        return self


def load_scoring(which: str | Path | Sequence[str | Path]) -> tuple[ScoringTemplate, ...]:
    """Return scoring templates in the order of their files.

    Args:
        which: a set, the id of a template, the path of a YAML file (a set of one's own), or several of these.

    Raises:
        EyechartError: no such set or template; in a file, an unknown or missing key or an impossible value;
            an id that is given twice.
    """
    wanted = (which,) if isinstance(which, str | Path) else tuple(which)
    chosen = tuple(dict.fromkeys(template for name in wanted for template in _chosen(name)))
    ids = [template.id for template in chosen]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise EyechartError(f"the scoring template {twice[0]!r} stands twice", "give every one its own id")
    return chosen


def scoring_sets() -> tuple[str, ...]:
    """Return the sets that come with Eyechart."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def _chosen(name: str | Path) -> tuple[ScoringTemplate, ...]:
    if isinstance(name, Path) or Path(name).suffix in (".yaml", ".yml"):
        return _read(Path(name))
    if name in scoring_sets():
        return _shipped(name)
    by_id = {template.id: template for known in scoring_sets() for template in _shipped(known)}
    if name not in by_id:
        near = get_close_matches(name, [*scoring_sets(), *by_id], n=3)
        raise EyechartError(
            f"there is no scoring template and no set of them {name!r}",
            f"did you mean {', '.join(near)}?" if near else f"sets: {', '.join(scoring_sets())}; or a file",
        )
    return (by_id[name],)


@cache
def _shipped(name: str) -> tuple[ScoringTemplate, ...]:
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> tuple[ScoringTemplate, ...]:
    found = read_yaml(path)
    refuse_unknown(found, ("templates",), str(path))
    entries = found["templates"]
    if not isinstance(entries, list) or not entries:
        raise EyechartError(f"{path}: 'templates' is not a list of wordings.", "Give at least one.")
    return tuple(_template(entry, path, i) for i, entry in enumerate(entries, 1))


def _template(entry: Any, path: Path, number: int) -> ScoringTemplate:
    if not isinstance(entry, dict):
        raise EyechartError(f"{path}, template {number}: not a mapping.", "See the sets that ship.")
    try:
        return ScoringTemplate(set=path.stem, **entry)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(str(part) for part in first["loc"])
        raise EyechartError(
            f"{path}, template {number}: {f'{where}: ' if where else ''}{first['msg']}", "mend the file"
        ) from None
