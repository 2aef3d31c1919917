"""One page that explains a run: self-contained, usable without its one script, all foreign text escaped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eyechart.corpora.credits import photo_credits
from eyechart.exam.account import facts
from eyechart.report import numbers, views
from eyechart.report.again import again
from eyechart.report.answer import answers, answers_alone
from eyechart.report.fidelity import faint, fidelity_grid, out_of_sight
from eyechart.report.figures import all_figures, best_arm
from eyechart.report.gallery import SIDE
from eyechart.report.inputs import Inputs, read_inputs
from eyechart.report.labels import label_map_shown
from eyechart.report.markdown import as_markdown
from eyechart.report.part import Part
from eyechart.report.parts import BEFORE_LADDER, LADDER, TITLES, all_parts
from eyechart.report.render import environment, policy, script
from eyechart.report.series import all_series
from eyechart.report.shelves import gallery
from eyechart.report.tables import READOUTS, Tables, build_tables
from eyechart.runs import Run, writing

_ACCOUNT = "arms/base/endpoint.json"
_INSIDE = ("fidelity", "distance", "ladder", "content", "tuning")  # sections that need the model itself
# What the filters of the gallery call a change.
TURNS = ("mended: wrong before tuning, right now", "spoilt: right before tuning, wrong now")


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        id: its anchor, and the name of its template.
        title: its heading.
        absent: what is missing, or "" if nothing is.
        command: the command that makes what is missing.
        part: what it shows, if it is one of measures.
        told: why there is nothing to be shown, and nothing to be made.
    """

    id: str
    title: str
    absent: str = ""
    command: str = ""
    part: Part | None = None
    told: str = ""


def build_report(run: Path) -> Path:
    """Compute a run's tables, write its ``report.html`` and ``report.md``, and return the page's path.

    A part that the run does not have yet is told in its section, with the command that makes it.

    Raises:
        EyechartError: the folder is no run, or a file in it is damaged.
    """
    folder = Run.open(run)
    inputs = read_inputs(folder)
    tables = build_tables(inputs)
    templates = environment()
    shown = _shown(inputs, tables, templates.get_template("card.html.j2"))
    page = templates.get_template("page.html.j2").render(shown)
    with writing(run / "report.html") as partial:
        partial.write_text(page, encoding="utf-8")
    with writing(run / "report.md") as partial:
        partial.write_text(_markdown(inputs, shown), encoding="utf-8")
    return run / "report.html"


def _markdown(inputs: Inputs, shown: dict[str, Any]) -> str:
    """Return the first screen and the main tables of what the page shows as Markdown."""
    grids = [("Arms", [shown["arms"]]), ("Confusion", shown["grids"].get("large", []))]
    parts = [(section.title, section.part) for section in shown["sections"] if section.part]
    return as_markdown(inputs, shown["answers"], grids, parts)


def _shown(inputs: Inputs, tables: Tables, card: Any) -> dict[str, Any]:
    from markupsafe import Markup

    chance = 1 / len(inputs.labels) if inputs.labels else 0.0
    figures = all_figures(tables, inputs.losses, chance)
    found = gallery(inputs, card)
    running = script("gallery.js") if found else ""
    return {
        "forbid": policy(str(running)),
        "script": running,
        "subject": inputs.config.get("subject", "unnamed subject"),
        "inputs": inputs,
        "again": again(inputs),
        "tables": tables,
        "sections": _sections(inputs, tables),
        "endpoint": _endpoint(inputs.run),
        "answers": answers(inputs, tables),
        "arms": views.arms_grid(tables),
        # Markup is for what this package draws itself; matplotlib has escaped the texts inside.
        "figures": {name: Markup(figure) for name, figure in figures.items()},  # noqa: S704
        "grids": _grids(inputs, tables, linked=found is not None),
        "best": best_arm(tables),
        "gallery": found,
        "ways": views.WAYS,
        "side": SIDE,
        "turns": TURNS,
        "credits": photo_credits(set() if inputs.answers is None else set(inputs.answers["content"])),
        "label_map": label_map_shown(inputs.dataset),
        "numbers": numbers,
    }


def _endpoint(run: Run) -> dict[str, str]:
    """Return what an endpoint's exam took; empty where no endpoint was asked."""
    return facts(run.read_json(_ACCOUNT)) if run.has(_ACCOUNT) else {}


def _grids(inputs: Inputs, tables: Tables, *, linked: bool) -> dict[str, Any]:
    grids: dict[str, Any] = {}
    if "kinds" in tables:
        readouts = [name for name in READOUTS if name in set(tables["kinds"]["readout"])]
        names = list(dict.fromkeys(tables["kinds"]["arm"]))
        best = best_arm(tables)
        large = list(dict.fromkeys(name for name in ("base", best) if name in names))
        pairs = [(arm, readouts[0]) for arm in large]
        small = [(arm, readout) for arm in names for readout in readouts if (arm, readout) not in pairs]
        series = enumerate(all_series(inputs)) if linked else ()
        places = {(one.arm, one.readout): i for i, one in series}
        grids |= {
            "wording": views.main_wording(tables),
            "levels": views.level_grids(tables),
            "recalls": views.recall_grids(tables),
            "label_levels": views.label_level_grids(tables, readouts[0]),
            "large": [
                grid for pair in pairs if (grid := views.confusion_grid(tables, *pair, places.get(pair)))
            ],
            "small": [
                grid for pair in small if (grid := views.confusion_grid(tables, *pair, places.get(pair)))
            ],
        }
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
    near = [Section(name, TITLES[name], part=parts.pop(name)) for name in BEFORE_LADDER if name in parts]
    ladder = [Section(name, TITLES[name], part=parts.pop(name)) for name in LADDER if name in parts]
    asked = [Section("asked", TITLES["asked"], part=parts.pop("asked"))] if "asked" in parts else []
    measured = [Section(name, TITLES[name], part=part) for name, part in parts.items()]
    sections = [
        Section("arms", "Arms", exam, ask),
        _fidelity(inputs, ask),
        Section("levels", "By level and label", exam, ask),
        Section("confusion", "Confusion", exam, ask),
        *(near or [Section("distance", TITLES["distance"], "There is no semantic distance yet.", inside)]),
        *(ladder or [Section("ladder", TITLES["ladder"], "There are no probes of the stages yet.", inside)]),
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


def _fidelity(inputs: Inputs, ask: str) -> Section:
    title = "What reaches the model"
    if told := out_of_sight(inputs.config):
        return Section("fidelity", title, told=told)
    return Section("fidelity", title, _absent(inputs.fidelity, "audits of the pixel path"), ask)


def _absent(part: object, what: str) -> str:
    return f"There are no {what} yet." if part is None else ""
