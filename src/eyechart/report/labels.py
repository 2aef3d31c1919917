"""Which label map a run's dataset was made with, and what that map leaves out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eyechart.taxonomy import MADE, LabelMap


@dataclass(frozen=True)
class LabelMapShown:
    """A map's name and version, and its types without a label in the corpora of the dataset, with reasons."""

    name: str
    version: int
    left_out: list[dict[str, str]]


def label_map_shown(card: Mapping[str, Any]) -> LabelMapShown | None:
    """Return what the report says of the label map in a dataset's card; None where the card has none."""
    if "label_map" not in card:
        return None
    found = LabelMap.of_plain(card["label_map"])
    corpora = [corpus["name"] for corpus in card.get("corpora", [])]
    return LabelMapShown(found.name, found.version, found.left_out([*MADE, *corpora]))
