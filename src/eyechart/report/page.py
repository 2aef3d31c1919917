"""One page that explains a run: self-contained, without scripts, with every foreign text escaped."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyechart.corpora.credits import photo_credits
from eyechart.exam.account import facts
from eyechart.report import numbers, views
from eyechart.report.answer import answers, answers_alone
from eyechart.report.fidelity import faint, fidelity_grid
from eyechart.report.figures import all_figures, best_arm
from eyechart.report.gallery import gallery_cards
from eyechart.report.inputs import Inputs, read_inputs
from eyechart.report.labels import label_map_shown
from eyechart.report.part import Part
from eyechart.report.parts import TITLES, all_parts
from eyechart.report.tables import READOUTS, Tables, build_tables
from eyechart.runs import Run, writing

_ACCOUNT = "arms/base/endpoint.json"
_INSIDE = ("fidelity", "distance", "ladder", "content", "tuning")  # sections that need the model itself
FORBID = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        id: its anchor, and the name of its template.
        title: its heading.
        absent: what is missing, or "" if nothing is.
        command: the command that makes what is missing.
        part: what it shows, if it is one of measures.
    """

    id: str
    title: str
    absent: str = ""
    command: str = ""
    part: Part | None = None


def build_report(run: Path) -> Path:
    """Compute a run's tables, write its ``report.html`` and return that file's path.

    A part that the run does not have yet is told in its section, with the command that makes it.

    Raises:
        EyechartError: the folder is no run, or a file in it is damaged.
    """
    folder = Run.open(run)
    inputs = read_inputs(folder)
    tables = build_tables(inputs)
    page = environment().get_template("page.html.j2").render(_shown(inputs, tables))
    with writing(run / "report.html") as partial:
        partial.write_text(page, encoding="utf-8")
    return run / "report.html"


def visible(value: object) -> object:
    """Return a text with its control, direction-changing and broken characters made visible."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join(map(_visible, value))


def _visible(char: str) -> str:
    hidden = unicodedata.category(char) in ("Cc", "Cs") or char in _DIRECTIONS
    return f"⟨U+{ord(char):04X}⟩" if hidden and char not in "\n\t" else char


_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def environment() -> Any:
    """Return what renders pages: everything escaped, invisible characters made visible."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("eyechart.report", "html")
    return Environment(
        loader=loader,
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(inputs: Inputs, tables: Tables) -> dict[str, Any]:
    from markupsafe import Markup

    chance = 1 / len(inputs.labels) if inputs.labels else 0.0
    figures = all_figures(tables, inputs.losses, chance)
    return {
        "forbid": FORBID,
        "subject": inputs.config.get("subject", "unnamed subject"),
        "inputs": inputs,
        "tables": tables,
        "sections": _sections(inputs, tables),
        "endpoint": _endpoint(inputs.run),
        "answers": answers(inputs, tables),
        "arms": views.arms_grid(tables),
        # Markup is for what this package draws itself; matplotlib has escaped the texts inside.
        "figures": {name: Markup(figure) for name, figure in figures.items()},  # noqa: S704
        "grids": _grids(inputs, tables),
        "best": best_arm(tables),
        "cards": gallery_cards(inputs),
        "credits": photo_credits(set() if inputs.answers is None else set(inputs.answers["content"])),
        "label_map": label_map_shown(inputs.dataset),
        "numbers": numbers,
    }


def _endpoint(run: Run) -> dict[str, str]:
    """Return what an endpoint's exam took; empty where no endpoint was asked."""
    return facts(run.read_json(_ACCOUNT)) if run.has(_ACCOUNT) else {}


def _grids(inputs: Inputs, tables: Tables) -> dict[str, Any]:
    grids: dict[str, Any] = {}
    if "kinds" in tables:
        readouts = [name for name in READOUTS if name in set(tables["kinds"]["readout"])]
        names = list(dict.fromkeys(tables["kinds"]["arm"]))
        best = best_arm(tables)
        large = list(dict.fromkeys(name for name in ("base", best) if name in names))
        pairs = [(arm, readouts[0]) for arm in large]
        small = [(arm, readout) for arm in names for readout in readouts if (arm, readout) not in pairs]
        grids |= {
            "levels": views.level_grids(tables),
            "recalls": views.recall_grids(tables),
            "label_levels": views.label_level_grids(tables, readouts[0]),
            "large": [grid for pair in pairs if (grid := views.confusion_grid(tables, *pair))],
            "small": [grid for pair in small if (grid := views.confusion_grid(tables, *pair))],
        }
    if "distance" in tables:
        grids["distance"] = views.distance_grid(tables)
    if inputs.fidelity is not None:
        grids["fidelity"] = fidelity_grid(inputs.fidelity)
        grids["faint"] = faint(inputs.fidelity)
    if "content" in tables:
        grids["content"] = views.content_grid(tables)
    return grids


def _sections(inputs: Inputs, tables: Tables) -> list[Section]:
    exam = "" if "kinds" in tables else "There are no answers yet."
    inside = "eyechart inside SUBJECT DATASET"
    ask = "eyechart exam SUBJECT DATASET"
    parts = all_parts(inputs, tables)
    asked = [Section("asked", TITLES["asked"], part=parts.pop("asked"))] if "asked" in parts else []
    measured = [Section(name, TITLES[name], part=part) for name, part in parts.items()]
    sections = [
        Section("arms", "Arms", exam, ask),
        Section(
            "fidelity", "What reaches the model", _absent(inputs.fidelity, "audits of the pixel path"), ask
        ),
        Section("levels", "By level and label", exam, ask),
        Section("confusion", "Confusion", exam, ask),
        Section("distance", "Semantic distance", _absent(inputs.distance, "semantic distance"), inside),
        Section("ladder", "The ladder", _absent(inputs.stages, "probes of the stages"), inside),
        Section(
            "content", "What the picture shows", _absent(inputs.content, "questions on the picture"), ask
        ),
        Section("tuning", "Tuning", _absent(inputs.losses, "tuned arms"), "eyechart tune SUBJECT DATASET"),
        *(measured or [Section("wordings", TITLES["wordings"], exam, ask)]),
        Section("gallery", "Gallery", exam or _absent(inputs.gallery, "kept images"), "eyechart study"),
        Section("aside", "Set aside"),
        *asked,
        Section("reproduce", "How to reproduce"),
        Section("provenance", "Provenance"),
    ]
    if inputs.run.has(_ACCOUNT):
        sections.insert(1, Section("endpoint", "The endpoint"))
    return [
        one for one in sections if not (one.absent and one.id in _INSIDE and answers_alone(inputs.config))
    ]


def _absent(part: object, what: str) -> str:
    return f"There are no {what} yet." if part is None else ""
