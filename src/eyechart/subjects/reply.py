"""Read an endpoint's reply; what is not a chat completion with an answer in it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import BaseModel, Field, ValidationError


class NoAnswerError(Exception):
    """One question got no answer; the others are asked all the same.

    Args:
        reason: why, for people.
        silent: the endpoint failed, and not only on this image.
    """

    def __init__(self, reason: str, *, silent: bool = True) -> None:
        super().__init__(reason)
        self.silent = silent


@dataclass(frozen=True)
class Answer:
    """What an endpoint said to one question.

    Attributes:
        text: the answer; empty where there is none (the tokens ran out before it began).
        cut: it ends where its longest length was reached.
        model: the model that answered, as the endpoint calls it.
        tokens_in, tokens_out: tokens of the request and of the answer; None if not told.
        first: the likeliest first tokens with their log-probabilities; None if not told.
        without: settings that the endpoint refused, so that it was asked without them.
    """

    text: str
    cut: bool
    model: str | None
    tokens_in: int | None
    tokens_out: int | None
    first: tuple[tuple[str, float], ...] | None
    without: tuple[str, ...] = ()


class _Likely(BaseModel):
    token: str
    logprob: float


class _Token(BaseModel):
    top_logprobs: list[_Likely] | None = None


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """The part of a chat completion that is read; other keys are the endpoint's own."""

    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: _Usage | None = None


def read_reply(body: str) -> Answer:
    """Return the answer in the body of a reply.

    Raises:
        NoAnswerError: the body is not JSON, is cut off, or holds no choice.
    """
    try:
        found = _Completion.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its body"
        raise NoAnswerError(f"the reply is no chat completion ({where}: {first['msg']})") from None
    choice, usage = found.choices[0], found.usage or _Usage()
    return Answer(
        text=choice.message.content or choice.message.refusal or "",
        cut=choice.finish_reason == "length",
        model=found.model,
        tokens_in=usage.prompt_tokens,
        tokens_out=usage.completion_tokens,
        first=_first(choice.logprobs),
    )


def _first(told: _Logprobs | None) -> tuple[tuple[str, float], ...] | None:
    if told is None or not told.content or not told.content[0].top_logprobs:
        return None
    return tuple(
        (one.token, one.logprob) for one in told.content[0].top_logprobs if math.isfinite(one.logprob)
    )
