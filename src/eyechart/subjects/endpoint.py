"""A model behind an OpenAI-compatible endpoint: it is sent an image with a question, and gives text."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from eyechart.errors import EyechartError
from eyechart.subjects.address import KEY, Address
from eyechart.subjects.capabilities import ENDPOINT
from eyechart.subjects.images import data_url
from eyechart.subjects.model import Pixels
from eyechart.subjects.reply import Answer, NoAnswerError, read_reply
from eyechart.subjects.subject import Subject

LONGEST_WAIT = 120  # s; the openai package waits no longer than this before a retry
_TOLD = 300  # characters of an endpoint's own message that are repeated
_SECRET = 12  # a shorter key (vLLM's "EMPTY") is a placeholder, and may be a word of an answer


class EndpointConfig(BaseModel):
    """Settings of an endpoint; those in :data:`MEASURED` change answers, the others only how they are got."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_tokens: PositiveInt = 64
    top_logprobs: int = Field(20, ge=0, le=100)  # 0 asks for none
    max_image_mb: PositiveFloat = 20  # of the data URL, 10^6 characters
    concurrency: PositiveInt = 8
    requests_per_minute: PositiveFloat | None = None
    timeout: PositiveFloat = 120  # s, of one attempt
    retries: NonNegativeInt = 5
    give_up_after: PositiveInt = 20  # questions in a row without an answer
    price_in: NonNegativeFloat | None = None  # per million tokens, in any currency
    price_out: NonNegativeFloat | None = None


MEASURED = frozenset({"max_tokens", "top_logprobs"})


class Endpoint(Subject):
    """An endpoint that answers questions on images; retries, waits and paces as its settings say.

    Requests go through the ``openai`` package. It tries again after a lost connection, a timeout and the
    statuses 408, 409, 429 and 5xx, with growing waits or as long as ``Retry-After`` asks for.

    Args:
        where: the address.
        key: the key, or None where the endpoint wants none. It is sent, and nowhere kept.
        config: settings.
        seed: sent with every request.
    """

    capabilities = ENDPOINT

    def __init__(self, where: Address, key: str | None, config: EndpointConfig, seed: int = 0) -> None:
        self.config, self.seed, self.model = config, seed, where.model
        self.name = f"{where.url}#{where.model}"
        self._url, self._key = where.url, key
        self._refused: set[str] = set()
        self.client = self._opened()

    def _opened(self) -> Any:
        """Return a client; one is good for one event loop, until it is closed."""
        try:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient
        except ImportError as error:
            raise EyechartError(
                "endpoints need the openai package", "pip install 'eyechart[endpoints]'"
            ) from error
        pace = self.config.requests_per_minute
        hooks: dict[str, list[Any]] = {"request": [Pace(pace)] if pace else []}
        return AsyncOpenAI(
            base_url=self._url,
            api_key=self._key or "none",
            max_retries=self.config.retries,
            timeout=self.config.timeout,
            http_client=DefaultAsyncHttpxClient(event_hooks=hooks),
        )

    def generate(self, images: Sequence[Pixels], question: str) -> list[str]:
        """Return the text of the endpoint's answer to a question on each image, uint8 HWC RGB.

        Raises:
            EyechartError: a question got no answer.
        """
        try:
            return asyncio.run(self._every(images, question))
        except NoAnswerError as error:
            raise EyechartError(
                f"the endpoint gave no answer: {error}",
                "eyechart exam sets such questions aside, and asks only what is missing when run again",
            ) from None

    async def _every(self, images: Sequence[Pixels], question: str) -> list[str]:
        places = asyncio.Semaphore(self.config.concurrency)

        async def one(image: Pixels) -> str:
            async with places:
                return (await self.ask(image, question)).text

        self.client = self._opened()
        async with self.client:
            return list(await asyncio.gather(*map(one, images)))

    async def ask(self, image: Pixels, question: str) -> Answer:
        """Return the answer to one question on one image, uint8 HWC RGB.

        Raises:
            NoAnswerError: this question got none, all retries included; or the image is too large to be sent.
            EyechartError: no question will get one (wrong key, no such model).
        """
        url = data_url(image)
        if len(url) > self.config.max_image_mb * 1e6:
            size = f"{len(url) / 1e6:.1f} MB as a lossless data URL"
            raise NoAnswerError(f"not sent: {size}, over {self.config.max_image_mb:g} MB", silent=False)
        # The openai package bounds each wait for data; this bounds all of them, trickling replies included.
        longest = (self.config.retries + 1) * (self.config.timeout + LONGEST_WAIT)
        try:
            async with asyncio.timeout(longest):
                body, without = await self._agreed(conversation(question, url))
        except TimeoutError:
            raise NoAnswerError(f"no whole reply within {longest:g} s") from None
        answer = read_reply(body)
        first = answer.first and tuple((self._hidden(token), logp) for token, logp in answer.first)
        named = answer.model and self._hidden(answer.model)
        text = self._hidden(answer.text)
        return replace(answer, text=text, model=named, first=first, without=tuple(sorted(without)))

    async def _agreed(self, messages: list[Any]) -> tuple[str, set[str]]:
        """Send a request, again without each setting that is refused; returns the reply's body, and those."""
        from openai import BadRequestError, UnprocessableEntityError

        refused = set(self._refused)
        while True:
            settings = self._settings(refused)
            try:
                body = await self._send(messages, settings)
            except (BadRequestError, UnprocessableEntityError) as error:
                named = _refused(error, settings)
                if named is None:
                    raise NoAnswerError(self._told(error)) from None
                refused.add(named)
            else:
                self._refused |= refused
                return body, refused

    def _settings(self, refused: set[str]) -> dict[str, Any]:
        length = "max_tokens" if "max_completion_tokens" in refused else "max_completion_tokens"
        wanted = {"temperature": 0, "seed": self.seed, length: self.config.max_tokens}
        if self.config.top_logprobs and refused.isdisjoint({"logprobs", "top_logprobs"}):
            wanted |= {"logprobs": True, "top_logprobs": self.config.top_logprobs}
        return {name: value for name, value in wanted.items() if name not in refused}

    async def _send(self, messages: list[Any], settings: dict[str, Any]) -> str:
        """Send one request; returns the reply's body as text."""
        import openai

        create: Any = self.client.chat.completions.with_raw_response.create
        try:
            reply = await create(model=self.model, messages=messages, **settings)
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            raise
        except openai.AuthenticationError as error:
            raise EyechartError(
                f"the endpoint refuses the key: {self._told(error)}",
                f"put the right one into the environment variable {KEY}, or name another with --key-env",
            ) from None
        except openai.NotFoundError as error:
            raise EyechartError(
                f"the endpoint has no model {self.model!r} at this address: {self._told(error)}",
                "check both; most addresses end in /v1",
            ) from None
        except openai.OpenAIError as error:
            raise NoAnswerError(self._told(error)) from None
        text: str = reply.http_response.text
        return text

    def _told(self, error: Exception) -> str:
        """Return what went wrong in a few words, without the key."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        tries = f"{self.config.retries + 1} {'try' if self.config.retries == 0 else 'tries'}"
        if isinstance(error, APITimeoutError):
            return f"no reply within {self.config.timeout:g} s, in {tries}"
        if isinstance(error, APIConnectionError):
            cause = str(error.__cause__ or error) or type(error.__cause__).__name__
            return f"no connection in {tries}: {self._hidden(cause)[:_TOLD]}"
        told = _message(error) if isinstance(error, APIStatusError) else str(error)
        return self._hidden(told)[:_TOLD]

    def _hidden(self, text: str) -> str:
        """Return an endpoint's text without the key, should it repeat it."""
        key = self._key
        return text.replace(key, "[the key]") if key is not None and len(key) >= _SECRET else text


def conversation(question: str, url: str) -> list[dict[str, Any]]:
    """Return the conversation that is sent: one turn, the image before the question.

    Args:
        question: what is asked.
        url: the image as a data URL.
    """
    picture = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}  # high: not shrunk first
    return [{"role": "user", "content": [picture, {"type": "text", "text": question}]}]


class Pace:
    """Hold requests back so that no more than so many a minute leave; retries count too."""

    def __init__(self, per_minute: float) -> None:
        self._gap, self._next = 60 / per_minute, 0.0

    async def __call__(self, request: object) -> None:
        """Wait for this request's turn."""
        now = time.monotonic()
        turn = max(now, self._next)
        self._next = turn + self._gap
        await asyncio.sleep(turn - now)


def _message(error: Any) -> str:
    """Return the status of a reply with what the endpoint says about it."""
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    wait = error.response.headers.get("Retry-After")
    told = [f"status {error.status_code}", str(body or ""), f"it asks to wait {wait} s" if wait else ""]
    return ": ".join(part for part in told if part)


def _refused(error: Any, settings: dict[str, Any]) -> str | None:
    """Return the setting that an endpoint will not take, if its message names one that can be left out."""
    droppable = [name for name in settings if name != "max_tokens"]
    if error.param:
        return error.param if error.param in droppable else None
    told = _message(error)[:_TOLD]
    return next((name for name in droppable if re.search(rf"\b{name}\b", told)), None)
