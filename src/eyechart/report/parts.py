"""The sections of measures, each only where the run has the data."""

from __future__ import annotations

from eyechart.report.asked import asked
from eyechart.report.believing import believing
from eyechart.report.choosing import choosing
from eyechart.report.distance_part import distance_part
from eyechart.report.figures import best_arm
from eyechart.report.geometry_part import geometry_part
from eyechart.report.inputs import Inputs
from eyechart.report.ladder_part import ladder_part
from eyechart.report.lens_part import lens_part
from eyechart.report.map_part import map_part
from eyechart.report.order import option_order_part
from eyechart.report.part import Part
from eyechart.report.patching_part import patching_part
from eyechart.report.quality_part import quality
from eyechart.report.repeats import repeats
from eyechart.report.swap_part import swap_part
from eyechart.report.tables import Tables
from eyechart.report.where import where_part
from eyechart.report.wording import wording
from eyechart.report.yes_no import yes_no

TITLES = {
    "distance": "Semantic distance",
    "maps": "Nearness over the picture",
    "lens": "Logit lens",
    "where": "Where each label is lost",
    "ladder": "The ladder",
    "geometry": "How alike the stages are",
    "patching": "Where it is decided",
    "swap": "Which component gained",
    "wordings": "Wordings",
    "choosing": "How the choice is read",
    "order": "Order of the options",
    "repeats": "Repeats",
    "calibration": "Calibration",
    "yes-no": "Yes or no",
    "quality": "Quality scores",
    "asked": "How it was asked",
}


BEFORE_LADDER = ("distance", "maps", "lens")
LADDER = ("where", "ladder", "geometry")


def all_parts(inputs: Inputs, tables: Tables) -> dict[str, Part]:
    """Return the sections that the tables allow, in their order: name to part."""
    best = best_arm(tables)
    arms = tuple(dict.fromkeys(arm for arm in ("base", best) if arm in inputs.arms))
    looked = looked_into(tables, "verdict", "stages", "lens", "geometry", "patching")
    found = {"quality": quality(tables, arms), "asked": asked(inputs.exams, arms)}
    if "kinds" in tables:
        found = {
            "wordings": wording(tables, arms, 1 / len(inputs.labels)),
            "choosing": choosing(tables, arms),
            "order": option_order_part(tables, arms),
            "repeats": repeats(tables, arms),
            "calibration": believing(tables, arms),
            "yes-no": yes_no(tables, arms),
        } | found
    found = {"patching": patching_part(tables, looked), "swap": swap_part(tables, arms)} | found
    chance = 1 / max(1, len(inputs.labels))
    found |= {
        "distance": distance_part(tables, looked_into(tables, "distance"), chance),
        "maps": map_part(inputs.maps, arms),
        "lens": lens_part(tables, looked, chance),
        "where": where_part(tables, looked),
        "ladder": ladder_part(tables, looked, chance, inputs.random_weights.get("skipped")),
        "geometry": geometry_part(tables, looked),
    }
    return {name: part for name, part in found.items() if part is not None}


def looked_into(tables: Tables, *names: str) -> tuple[str, ...]:
    """Return, of the arms that have rows in some tables, the untuned one and the best of the others.

    The best arm of the exam need not be one that was looked into.
    """
    found = dict.fromkeys(arm for name in names if name in tables for arm in tables[name]["arm"])
    tuned = [arm for arm in found if arm != "base"]
    best = best_arm(tables, tuned)
    untuned = [arm for arm in found if arm == "base"]
    return (*untuned, *([best] if best in tuned else tuned[:1]))
