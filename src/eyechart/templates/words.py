"""What labels are called in each language."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eyechart.errors import EyechartError
from eyechart.templates.files import read_yaml, refuse_unknown

FOLDER = Path(__file__).with_name("words")


@dataclass(frozen=True)
class Words:
    """The words of one language.

    Attributes:
        language: ISO 639-1 code.
        between: what stands between two labels of a list.
        labels: label to word; empty in English, where labels are words.
        in_question: label to what a yes-no question calls it, where that differs.
        yes: words that affirm, in lower case.
        no: words that deny.
    """

    language: str
    between: str
    labels: dict[str, str]
    in_question: dict[str, str]
    yes: tuple[str, ...]
    no: tuple[str, ...]

    def label(self, label: str) -> str:
        """Return what a label is called.

        Raises:
            EyechartError: it has no word in this language.
        """
        if not self.labels:
            return label.replace("_", " ")
        if label not in self.labels:
            raise EyechartError(
                f"the label {label!r} has no word in the language {self.language!r}",
                "choose templates of another language, or a label map that is translated: "
                f"translated are {', '.join(self.labels)}",
            )
        return self.labels[label]

    def asked(self, label: str) -> str:
        """Return what a yes-no question calls a label.

        Raises:
            EyechartError: it has no word in this language.
        """
        return self.in_question.get(label) or self.label(label)


def languages() -> tuple[str, ...]:
    """Return the languages that there are words for."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@cache
def load_words(language: str) -> Words:
    """Return the words of a language, from its file in the folder ``words``.

    Raises:
        EyechartError: there are none.
    """
    if language not in languages():
        raise EyechartError(
            f"there are no words for the language {language!r}", f"known: {', '.join(languages())}"
        )
    path = FOLDER / f"{language}.yaml"
    found = read_yaml(path)
    refuse_unknown(found, ("between", "labels", "in question", "yes", "no"), str(path))
    return Words(
        language,
        found["between"],
        found["labels"],
        found["in question"],
        tuple(found["yes"]),
        tuple(found["no"]),
    )
