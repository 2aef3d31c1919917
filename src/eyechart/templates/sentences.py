"""Sentences that describe a picture with each label, for models that compare pictures with texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eyechart.errors import EyechartError
from eyechart.templates.files import read_yaml, refuse_unknown
from eyechart.templates.lexicon import load_lexicon

PLACE = "{label}"


def sentences(labels: Sequence[str], path: Path | None = None) -> list[list[str]]:
    """Return the sentences of each label, in the order of ``labels``.

    Args:
        labels: the labels of an exam; underscores are read as blanks.
        path: a YAML file; None reads zero_shot.yaml, which explains the keys.

    Raises:
        EyechartError: an unknown or missing key, no sentences, or a wrong place for the label.
    """
    path = path or Path(__file__).with_name("zero_shot.yaml")
    found = read_yaml(path)
    refuse_unknown(found, ("distorted", "clean"), str(path))
    for key, texts in found.items():
        right = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
        if not right or any((PLACE in text) != (key == "distorted") for text in texts):
            raise EyechartError(
                f"{path}: {key} is wrong.", f"Give a list of sentences; {PLACE} stands in 'distorted' alone."
            )
    none = load_lexicon().no_distortion
    return [
        found["clean"]
        if label == none
        else [text.replace(PLACE, label.replace("_", " ")) for text in found["distorted"]]
        for label in labels
    ]
