"""One wording of the exam's question, as its file gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("open word", "word list", "letters", "yes-no", "json")
SPLITS = ("train", "held-out")
LABELS, OPTIONS, LABEL, LETTER = "{labels}", "{options}", "{label}", "{letter}"


@dataclass(frozen=True)
class Template:
    """One wording of the question.

    Attributes:
        id: unique name.
        set: the set it belongs to, which is its file's name.
        split: ``train`` (a subject may be tuned on it) or ``held-out`` (only ever asked).
        kind: ``open word`` (the labels are not named), ``word list`` (they are), ``letters`` (each has a
            letter), ``yes-no`` (one question for each label) or ``json`` (the answer is an object).
        text: the wording; ``{labels}``, ``{options}`` (lettered lines) or ``{label}`` stand in it.
        answer: how an answer is written: ``{label}`` or ``{letter}`` stands in it; ``Yes|No`` for ``yes-no``.
        language: ISO 639-1 code.
        source: where the wording comes from.
        clean: the wording of a ``yes-no`` question about the label that says that there is no distortion.
    """

    id: str
    set: str
    split: str
    kind: str
    text: str
    answer: str
    language: str
    source: str
    clean: str = ""

    @property
    def lists(self) -> bool:
        """Say whether the question lists the labels, so that their order may matter."""
        return LABELS in self.text or OPTIONS in self.text

    def question(self, labels: Sequence[str]) -> str:
        """Return the wording as it is asked, with ``labels`` in the order given."""
        from eyechart.templates.questions import questions

        return questions((self,), labels)[0].text
