"""The operations of a step, as ``eyechart plan`` counts them: what no implementation can be below."""

from __future__ import annotations

from eyechart.plan.flops import costs
from eyechart.plan.lengths import blank, without_weights
from eyechart.plan.steps import step_operations
from eyechart.subjects.model import ModelSubject
from eyechart.tune.arms import arm
from eyechart.tune.lesson import Lesson
from eyechart.tune.phases import Phase


def operations(
    subject: ModelSubject, lesson: Lesson, train: str, *, answer: bool, plain: bool = False
) -> float:
    """Return the operations of one image in a step.

    Args:
        subject: the model.
        lesson: images of one size, labels and the question.
        train: the trained components, in full; adapters cost a little more and the frozen weights less.
        answer: whether the language model is passed.
        plain: whether frozen parts are computed in every step, and every position is scored.
    """
    size, question = lesson.size(0), lesson.questions[0]
    prompt = subject.prompt(question, size)
    answers = max(len(subject.answer_ids(question, label, size)) for label in lesson.labels)
    seen = subject.inputs([blank(size)], prompt.text)
    own, tokens = (
        costs(without_weights(subject), seen, len(prompt.image_positions)),
        len(prompt.ids) + answers,
    )
    scored = tokens if plain else answers
    language = own.language.passing(tokens, tokens) + own.language.head * scored
    forward = {"vision": own.vision, "projector": own.projector, "language": language}
    phase = Phase("step", arm(train).train, 1, 1, answer=answer)
    adapted = {"language": 1.0} if train == "language" else {}  # an adapter's own products are next to none
    return sum(step_operations(forward, phase, adapted, kept=not plain).values())
