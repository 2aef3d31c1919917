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
    refuse_unknown(found, ("distorted", "clean", "words"), str(path))
    words = found["words"]
    if not isinstance(words, dict) or not all(isinstance(text, str) for text in words.values()):
        raise EyechartError(f"{path}: words is wrong.", "Give 'label: words', or {} for none.")
    for key in ("distorted", "clean"):
        texts = found[key]
        right = isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts)
        if not right or any((PLACE in text) != (key == "distorted") for text in texts):
            raise EyechartError(
                f"{path}: {key} is wrong.", f"Give a list of sentences; {PLACE} stands in 'distorted' alone."
            )
    none, told = load_lexicon().no_distortion, {label: label.replace("_", " ") for label in labels} | words
    distorted = {label: [text.replace(PLACE, told[label]) for text in found["distorted"]] for label in labels}
    return [found["clean"] if label == none else distorted[label] for label in labels]
