"""Read a free-text answer: which label it names, or why none. An answer is never replaced by a guess."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from eyechart.templates.choices import chosen_letters, marked, verdict
from eyechart.templates.final_answer import conclusions, final_answer, headings, normalise, unwrapped
from eyechart.templates.gloss import gloss
from eyechart.templates.json_answer import from_json
from eyechart.templates.lexicon import Lexicon, Meanings, meanings
from eyechart.templates.questions import Question
from eyechart.templates.reading import Reading, read

STATUSES = ("label", "several", "off-list", "denied", "refusal", "empty", "unparsed")


@dataclass(frozen=True)
class Parsed:
    """What an answer says.

    Attributes:
        status: one of ``STATUSES``.
        labels: the labels that it affirms, in the exam's order; exactly one where the status is ``label``.
    """

    status: str
    labels: tuple[str, ...]


def parse(text: str, labels: Sequence[str], lexicon: Lexicon, question: Question | None = None) -> Parsed:
    """Return what a free-text answer says, in English, Chinese or Japanese.

    Statuses: ``label`` it affirms one label; ``several`` it affirms more than one thing, which a letter with
    the text of another option does as well; ``off-list`` it affirms a distortion that is no label;
    ``denied`` it says no to a yes-no question; ``refusal`` it declines or does not know; ``empty`` it has
    no letter or digit; ``unparsed`` all else, such as an answer that only denies ("not blurry"). Words are
    matched whole, the longest phrase first.

    Args:
        text: the answer.
        labels: the labels of the exam.
        lexicon: what words mean, see :func:`eyechart.templates.lexicon.load_lexicon`.
        question: what was asked; without it, letters and yes or no mean nothing.
    """
    text = normalise(text)
    if not any(character.isalnum() for character in text):
        return Parsed("empty", ())
    text = unwrapped(text)
    inside = from_json(text, _keys(question))
    text = text if inside is None else inside
    known = meanings(lexicon, tuple(labels))
    if question is not None and question.about is not None:
        return _yes_no(text, question.about, labels, known, lexicon)
    glossed = gloss(text)
    if question is not None and question.template.kind == "letters":
        answer = final_answer(marked(glossed, question.options))
        if chosen := chosen_letters(answer, question.options, known, lexicon):
            return _named(chosen, labels)
    return _said(_committed(glossed, known, lexicon), labels, lexicon)


def _keys(question: Question | None) -> frozenset[str]:
    """Return the keys of the object that a question asks for."""
    if question is None or question.template.kind != "json":
        return frozenset()
    return frozenset(key.casefold() for key in json.loads(question.template.answer))


def _committed(text: str, known: Meanings, lexicon: Lexicon) -> Reading:
    """Return what the part of an answer says in which it commits itself: its conclusion, or all of it."""
    answer = final_answer(text)
    for part in (*headings(answer), *conclusions(answer)):
        said = read(part, known, lexicon)
        if said.affirmed or said.says_none or said.refuses:
            return said
    return read(answer, known, lexicon)


def _said(reading: Reading, labels: Sequence[str], lexicon: Lexicon) -> Parsed:
    if reading.affirmed:
        return _named(reading.affirmed, labels)
    if reading.says_none or reading.says_good:
        return _named(frozenset([lexicon.no_distortion]), labels)
    return Parsed("refusal" if reading.refuses else "unparsed", ())


def _named(affirmed: frozenset[str], labels: Sequence[str]) -> Parsed:
    """Return what an answer says that affirms something."""
    named = tuple(label for label in labels if label in affirmed)
    if len(affirmed) > 1:
        return Parsed("several", named)
    return Parsed("label", named) if named else Parsed("off-list", ())


def _yes_no(text: str, about: str, labels: Sequence[str], known: Meanings, lexicon: Lexicon) -> Parsed:
    """Return what the answer to a yes-no question says: the label that was asked about, or ``denied``."""
    glossed = gloss(text)
    said = verdict(text)
    said = verdict(final_answer(glossed)) if said is None else said
    reading = read(final_answer(glossed), known, lexicon)
    none = reading.says_none or reading.says_good
    affirmed = reading.affirmed | ({lexicon.no_distortion} if none else frozenset())
    if about == lexicon.no_distortion:
        against = about in reading.denied or bool(affirmed - {about})
    else:
        against = about in reading.denied or lexicon.no_distortion in affirmed
    if said is None:
        if about in affirmed:
            return Parsed("label", (about,))
        if against:
            return Parsed("denied", ())
        return Parsed("refusal" if reading.refuses else "unparsed", ())
    if said and affirmed and about not in affirmed:
        return _named(affirmed | {about}, labels)  # "yes, there is noise", asked about blur
    if said:
        return Parsed("unparsed", ()) if against and about not in affirmed else Parsed("label", (about,))
    return Parsed("unparsed", ()) if about in affirmed else Parsed("denied", ())
