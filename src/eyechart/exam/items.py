"""What an exam asks: each template in each order of its options, with the exact strings of its prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eyechart.errors import EyechartError
from eyechart.exam.config import ExamConfig
from eyechart.exam.prompts import PromptRow, prompt_key
from eyechart.subjects.model import ModelSubject
from eyechart.templates import Question, Template, load_templates, questions

YES_NO = "yes-no"


@dataclass(frozen=True)
class Item:
    """One template in one order, which gives one row for each image, readout and repeat.

    Attributes:
        questions: the question; for ``yes-no`` one for each label, in the order of the labels.
        prompts: the exact string of each question's prompt, without the image.
        key: name of these prompts in the answers table.
    """

    questions: tuple[Question, ...]
    prompts: tuple[str, ...]
    key: str

    @property
    def template(self) -> Template:
        """Return the template, the same for all questions."""
        return self.questions[0].template

    @property
    def yes_no(self) -> bool:
        """Say whether the labels are asked about one at a time."""
        return self.template.kind == YES_NO


def items(subject: ModelSubject, labels: Sequence[str], config: ExamConfig) -> list[Item]:
    """Return what an exam asks of a subject.

    Raises:
        EyechartError: no such template, or none that allows a readout that is wanted.
    """
    found: list[Item] = []
    for template in load_templates(config.templates):
        asked = questions((template,), labels, config.orders)
        groups = [tuple(asked)] if template.kind == YES_NO else [(question,) for question in asked]
        for group in groups:
            prompts = tuple(subject.conversation(question.text) for question in group)
            found.append(Item(group, prompts, prompt_key(*prompts)))
    wanted = [item for item in found if _allows(item, config)]
    if not wanted:
        raise EyechartError(
            f"no template of {', '.join(config.templates)} is read by {', '.join(config.readouts)}",
            "name other templates or readouts: yes-no reads templates of that kind, and they nothing else",
        )
    return wanted


def prompt_rows(asked: Sequence[Item]) -> list[PromptRow]:
    """Return the strings of all items."""
    return [
        PromptRow(item.key, item.template.id, question.order, question.about, text)
        for item in asked
        for question, text in zip(item.questions, item.prompts, strict=True)
    ]


def _allows(item: Item, config: ExamConfig) -> bool:
    return bool({YES_NO} & set(config.readouts) if item.yes_no else set(config.readouts) - {YES_NO})
