"""How lmms-eval asks and scores; a copy lies as ``utils.py`` beside the task files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eyechart.templates import load_lexicon, parse

_LABELS = Path(__file__).with_name("labels.json")


def doc_to_visual(doc: dict[str, Any]) -> list[Any]:
    """Return the picture."""
    return [doc["image"].convert("RGB")]


def doc_to_text(doc: dict[str, Any], lmms_eval_specific_kwargs: dict[str, str]) -> str:
    """Return the question, which stands in the task's file."""
    return lmms_eval_specific_kwargs["question"]


def process_results(doc: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return whether the answer is right, and whether it names one label; several are never right."""
    labels = json.loads(_LABELS.read_text(encoding="utf-8"))
    said = parse(results[0], labels, load_lexicon())
    one = said.status == "label"
    return {"accuracy": float(one and said.labels == (doc["label"],)), "one_label": float(one)}
