"""A scoring template as a model receives it: the exact prompt, and the tokens of each level's word."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eyechart.errors import EyechartError
from eyechart.exam.forest import Ask
from eyechart.quality.template import ScoringTemplate
from eyechart.subjects.model import ModelSubject

if TYPE_CHECKING:
    from eyechart.models.mplug_owl2.presets import QualityPreset

Size = tuple[int, int]
_PRESETS_FOR = "mplug_owl2"


@dataclass(frozen=True)
class Scored:
    """One template as the subject is asked it.

    Attributes:
        template: the template.
        prompt: the exact string.
        squaring: how pictures become square for it (see :mod:`eyechart.models.mplug_owl2.images`); None
            leaves that to the subject's processor.
    """

    template: ScoringTemplate
    prompt: str
    squaring: str | None = None


def as_asked(subject: ModelSubject, template: ScoringTemplate) -> Scored:
    """Return a template as a subject is asked it; what a preset publishes comes before its own way."""
    preset = _preset(subject, template)
    return Scored(template, prompt_of(subject, template), preset.squaring if preset else None)


@contextmanager
def squared(subject: ModelSubject, squaring: str | None) -> Iterator[None]:
    """Return the context in which a subject's processor makes pictures square in one way."""
    if squaring is None:
        yield
        return
    images = subject.processor.image_processor
    before, images.squaring = images.squaring, squaring
    try:
        yield
    finally:
        images.squaring = before


def prompt_of(subject: ModelSubject, template: ScoringTemplate) -> str:
    """Return the exact string of a prompt, without the image, up to where the level or number begins."""
    if (preset := _preset(subject, template)) is not None:
        return preset.prompt
    if not template.beginning:
        return subject.conversation(template.text)
    return _up_to(subject, template, template.beginning)


def scoring_ask(subject: ModelSubject, one: Scored, size: Size, *, write: bool) -> Ask:
    """Return a template as a question of the engine.

    The candidates are the words of the levels, without the end of the answer: a word counts by the
    log-likelihood of all its tokens, as they follow the prompt.

    Args:
        subject: the model.
        one: the template and its prompt.
        size: (height, width in px) of the images.
        write: whether texts are wanted.

    Raises:
        EyechartError: the subject's tokenizer does not split prompt and word at one place.
    """
    prompt = subject.rendered(one.prompt, size)
    words = tuple(_word_ids(subject, one, word, prompt.ids, size) for word in one.template.words)
    return Ask(prompt, words, write)


def _preset(subject: ModelSubject, template: ScoringTemplate) -> QualityPreset | None:
    """Return what is published for a template, if the subject is of the family that it was published for."""
    if template.preset is None or subject.model.config.model_type != _PRESETS_FOR:
        return None
    from eyechart.models.mplug_owl2.presets import PRESETS

    return PRESETS[template.preset]


def _word_ids(
    subject: ModelSubject, one: Scored, word: str, before: tuple[int, ...], size: Size
) -> tuple[int, ...]:
    """Return the tokens of a level's word after the prompt."""
    template = one.template
    if _preset(subject, template) is not None:
        ids = subject.processor.tokenizer(word, add_special_tokens=False)["input_ids"]
        return tuple(ids)  # the published scorers take the word's own tokens, whatever the prompt ends in
    said = f"{template.beginning} {word}" if template.beginning else word
    whole = subject.rendered(_up_to(subject, template, said), size).ids
    if whole[: len(before)] != before or len(whole) == len(before):
        raise EyechartError(
            f"the tokenizer of {subject.name} does not keep {word!r} apart from the prompt of {template.id}",
            "leave out this template, or end its answer's beginning in another word",
        )
    return whole[len(before) :]


def _up_to(subject: ModelSubject, template: ScoringTemplate, said: str) -> str:
    """Return the conversation with an answer, cut where the answer ends."""
    whole = subject.conversation(template.text, said)
    return whole[: whole.rindex(said) + len(said)]
