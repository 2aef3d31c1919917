"""Questions: templates made concrete for the labels of one exam."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from eyechart.errors import EyechartError
from eyechart.templates.lexicon import load_lexicon
from eyechart.templates.template import LABEL, LABELS, LETTER, OPTIONS, Template
from eyechart.templates.words import Words, load_words


@dataclass(frozen=True)
class Question:
    """What a subject is asked.

    Attributes:
        template: the wording it was made from.
        text: the wording as asked.
        candidates: texts of the possible answers. One for each label, in the order of the exam's labels and
            not of the listing; for ``yes-no`` yes and no.
        order: 0 where options are listed in the order of the exam's labels; k where it is shifted by k.
        options: the labels in the order in which they are listed; empty where none are.
        about: for ``yes-no`` the label that is asked about.
    """

    template: Template
    text: str
    candidates: tuple[str, ...]
    order: int
    options: tuple[str, ...]
    about: str | None


def questions(templates: Sequence[Template], labels: Sequence[str], orders: int = 1) -> list[Question]:
    """Return the questions that an exam asks about an image, template by template.

    A template that lists the labels gives ``orders`` questions, in which the listing is shifted by 0, 1, ...
    places in a circle: with as many orders as labels, every label stands at every place once. ``yes-no``
    gives one question for each label.

    Args:
        templates: the wordings.
        labels: the exam's labels.
        orders: how many orders of the options to ask, from 1 to the number of labels.

    Raises:
        EyechartError: too many orders, too many labels for letters, or a label without a word in a template's
            language.
    """
    if not 1 <= orders <= len(labels):
        raise EyechartError(
            f"{orders} orders of {len(labels)} labels", f"the order can be shifted in 1 to {len(labels)} ways"
        )
    asked = []
    for template in templates:
        words = load_words(template.language)
        if template.kind == "yes-no":
            asked += [_about(template, label, words) for label in labels]
        else:
            asked += [_order(template, labels, k, words) for k in range(orders if template.lists else 1)]
    return asked


def letters(options: Sequence[str]) -> dict[str, str]:
    """Return the letter of each option in the order in which they are listed."""
    return dict(zip(options, ascii_uppercase, strict=False))


def _about(template: Template, label: str, words: Words) -> Question:
    """Return the yes-no question about one label."""
    none = label == load_lexicon().no_distortion
    text = template.clean if none else template.text.replace(LABEL, words.asked(label))
    return Question(template, text, tuple(template.answer.split("|")), 0, (), label)


def _order(template: Template, labels: Sequence[str], order: int, words: Words) -> Question:
    """Return a question whose options, if it lists any, are shifted by ``order`` places."""
    options = (*labels[order:], *labels[:order])
    if template.kind == "letters" and len(labels) > len(ascii_uppercase):
        raise EyechartError(
            f"template {template.id} gives each label a letter, and there are {len(labels)} labels",
            "choose templates of another kind",
        )
    letter = letters(options)
    lines = "\n".join(f"{letter.get(label)}. {words.label(label)}" for label in options)
    listing = words.between.join(words.label(label) for label in options)
    text = template.text.replace(LABELS, listing).replace(OPTIONS, lines)
    candidates = tuple(_answer(template, words.label(label), letter.get(label, "")) for label in labels)
    return Question(template, text, candidates, order, options if template.lists else (), None)


def _answer(template: Template, word: str, letter: str) -> str:
    if template.kind == "json":  # a quotation mark in a label must not end the string
        word = json.dumps(word, ensure_ascii=False)[1:-1]
    return template.answer.replace(LETTER, letter).replace(LABEL, word)
