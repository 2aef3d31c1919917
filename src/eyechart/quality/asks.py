"""A scoring template as a model receives it: the exact prompt, and the tokens of each level's word."""

from __future__ import annotations

from dataclasses import dataclass

from eyechart.errors import EyechartError
from eyechart.exam.forest import Ask
from eyechart.quality.template import ScoringTemplate
from eyechart.subjects.model import ModelSubject

Size = tuple[int, int]
_PRESETS_FOR = "mplug_owl2"


@dataclass(frozen=True)
class Scored:
    """One template with the exact string that the subject is asked."""

    template: ScoringTemplate
    prompt: str


def prompt_of(subject: ModelSubject, template: ScoringTemplate) -> str:
    """Return the exact string of a prompt, without the image, up to where the level or number begins."""
    if template.preset is not None and subject.model.config.model_type == _PRESETS_FOR:
        from eyechart.models.mplug_owl2.presets import PRESETS

        return PRESETS[template.preset].prompt
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


def _word_ids(
    subject: ModelSubject, one: Scored, word: str, before: tuple[int, ...], size: Size
) -> tuple[int, ...]:
    """Return the tokens of a level's word after the prompt."""
    template = one.template
    if template.preset is not None and subject.model.config.model_type == _PRESETS_FOR:
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
