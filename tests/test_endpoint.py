"""One question to an endpoint: what is sent, what becomes of each fault, and that the key stays secret."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
import pytest
import tiny
from hostile import Server, completion, send, serving
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from eyechart.errors import EyechartError
from eyechart.subjects.address import read_address, read_key
from eyechart.subjects.capabilities import Capability, capabilities
from eyechart.subjects.endpoint import Endpoint, EndpointConfig
from eyechart.subjects.names import resolve
from eyechart.subjects.reply import Answer, NoAnswerError, read_reply

KEY = "sk-a-secret-that-must-not-be-told"
IMAGE = tiny.images(1, side=48)[0]


def ask(server: Server, key: str | None = KEY, times: int = 1, **settings: Any) -> list[Answer]:
    config = EndpointConfig(**{"retries": 2, "timeout": 5, **settings})
    endpoint = Endpoint(read_address(f"{server.url}#some/model"), key, config, seed=7)

    async def all_of_them() -> list[Answer]:
        async with endpoint.client:
            return await asyncio.gather(*(endpoint.ask(IMAGE, f"what? {i}") for i in range(times)))

    return asyncio.run(all_of_them())


def test_what_is_sent_is_lossless_and_greedy() -> None:
    with serving(
        lambda h, body, n: send(h, 200, completion(" blur ", {" blur": -0.1, "noise": -2.0}))
    ) as server:
        (answer,) = ask(server)
    assert answer == Answer(" blur ", False, "served-1", 100, 2, ((" blur", -0.1), ("noise", -2.0)))
    (body,) = server.bodies
    assert server.keys == [f"Bearer {KEY}"]
    assert {name: value for name, value in body.items() if name != "messages"} == {
        "model": "some/model",
        "temperature": 0,
        "seed": 7,
        "max_completion_tokens": 64,
        "logprobs": True,
        "top_logprobs": 20,
    }
    ((url, text),) = server.asked()
    assert text == "what? 0"
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(shown, IMAGE)


@pytest.mark.parametrize("status", [500, 503, 408, 429])
def test_a_passing_fault_is_tried_again(status: int) -> None:
    def behave(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        if number == 0:
            send(handler, status, {"error": {"message": "busy"}}, Retry_After_Ms="1")
        else:
            send(handler, 200, completion("noise"))

    with serving(behave) as server:
        assert ask(server)[0].text == "noise"
    assert len(server.bodies) == 2


def test_retry_after_is_honoured() -> None:
    def behave(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        if number == 0:
            send(handler, 429, {"error": {"message": "slow down"}}, Retry_After="2")
        else:
            send(handler, 200, completion("noise"))

    begun = time.monotonic()
    with serving(behave) as server:
        ask(server)
    assert time.monotonic() - begun >= 2  # the wait of its own would be half a second at most


def _close(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.close()


def _cut(handler: BaseHTTPRequestHandler) -> None:
    send(handler, 200, b'{"choices": [', Content_Length="500")
    _close(handler)


FAULTS = [
    (lambda h: send(h, 500, {"error": {"message": "broken"}}, Retry_After_Ms="1"), 2, "status 500: broken"),
    (lambda h: send(h, 429, "Too many", Retry_After="600"), 1, "status 429: .*it asks to wait 600 s"),
    (lambda h: send(h, 200, '{"choices": [{"mess'), 1, "no chat completion"),
    (lambda h: send(h, 200, {**completion("x"), "choices": []}), 1, r"no chat completion \(choices: "),
    (lambda h: send(h, 200, {"error": "none"}), 1, r"no chat completion \(choices: Field required"),
    (lambda h: send(h, 200, "<html>hello</html>", Content_Type="text/html"), 1, "no chat completion"),
    (lambda h: send(h, 200, b"\xff\xfe\x00", Content_Type="image/png"), 1, "no chat completion"),
    (lambda h: send(h, 413, {"error": {"message": "image too large"}}), 1, "status 413: image too large"),
    (lambda h: send(h, 400, {"error": {"message": "bad image"}}), 1, "status 400: bad image"),
    (_close, 2, "no connection in 2 tries: .*disconnected"),
    (_cut, 2, "no connection in 2 tries: "),
    (lambda h: time.sleep(1), 2, "no reply within 0.3 s, in 2 tries"),
]


@pytest.mark.parametrize(("fault", "tries", "told"), FAULTS)
def test_a_fault_is_told_after_its_tries(fault: Any, tries: int, told: str) -> None:
    with (
        serving(lambda handler, body, number: fault(handler)) as server,
        pytest.raises(NoAnswerError, match=f"(?s){told}"),
    ):
        ask(server, retries=1, timeout=0.3)
    assert len(server.bodies) == tries


def test_a_trickling_reply_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyechart.subjects.endpoint.LONGEST_WAIT", 0.5)

    def trickle(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        send(handler, 200, b"{", Content_Length="1000")
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.1)

    with serving(trickle) as server, pytest.raises(NoAnswerError, match="no whole reply within 1 s"):
        ask(server, retries=0, timeout=0.5)


def test_nobody_listens() -> None:
    with serving(lambda h, b, n: None) as server:
        pass
    with pytest.raises(NoAnswerError, match="no connection in 1 try"):
        ask(server, retries=0)


@pytest.mark.parametrize(("status", "told"), [(401, "refuses the key"), (404, "has no model 'some/model'")])
def test_a_fault_that_every_question_would_meet_stops_the_exam(status: int, told: str) -> None:
    def echo(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        send(handler, status, {"error": {"message": f"no: {handler.headers['Authorization']}"}})

    with serving(echo) as server, pytest.raises(EyechartError, match=told) as caught:
        ask(server)
    assert len(server.bodies) == 1
    assert KEY not in str(caught.value)
    assert "[the key]" in str(caught.value)


def test_a_key_that_the_endpoint_repeats_is_hidden() -> None:
    said = completion(f"my key is {KEY}", {KEY: -1.0}, model=KEY)
    with serving(lambda h, body, n: send(h, 200, said)) as server:
        assert KEY not in str(ask(server))
    with serving(lambda h, body, n: send(h, 400, KEY)) as server, pytest.raises(NoAnswerError) as caught:
        ask(server)
    assert KEY not in str(caught.value)


def test_a_placeholder_key_is_no_secret() -> None:
    with serving(lambda h, body, n: send(h, 200, completion("none"))) as server:
        assert ask(server, key="none")[0].text == "none"


def test_an_image_over_the_limit_is_not_sent() -> None:
    with (
        serving(lambda h, body, n: send(h, 200, completion("x"))) as server,
        pytest.raises(NoAnswerError, match=r"not sent: 0\.0 MB as a lossless data URL, over 0\.001 MB"),
    ):
        ask(server, max_image_mb=0.001)
    assert server.bodies == []


@pytest.mark.parametrize(
    ("strange", "asked_at_last"),
    [
        ({"logprobs", "top_logprobs"}, {"temperature", "seed", "max_completion_tokens"}),
        ({"seed"}, {"temperature", "max_completion_tokens", "logprobs", "top_logprobs"}),
        ({"max_completion_tokens", "logprobs"}, {"temperature", "seed", "max_tokens"}),
    ],
)
@pytest.mark.parametrize("param", [True, False])
def test_settings_that_are_refused_are_left_out(
    strange: set[str], asked_at_last: set[str], param: bool
) -> None:
    def picky(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        named = sorted(strange & body.keys())
        if named:
            error = {"message": f"Unsupported parameter: '{named[0]}'.", "param": named[0] if param else None}
            send(handler, 400 if param else 422, {"error": error})
        else:
            send(handler, 200, completion("noise"))

    with serving(picky) as server:
        (answer,) = ask(server)
    assert set(answer.without) <= strange
    assert answer.without
    assert server.bodies[-1].keys() - {"model", "messages"} == asked_at_last


def test_a_refusal_that_names_nothing_changes_nothing() -> None:
    error = {"message": "seed is the worst of my problems", "param": "messages[0].content"}
    with serving(lambda h, body, n: send(h, 400, {"error": error})) as server, pytest.raises(NoAnswerError):
        ask(server)
    assert len(server.bodies) == 1


def test_requests_are_paced_retries_included() -> None:
    def behave(handler: BaseHTTPRequestHandler, body: dict[str, Any], number: int) -> None:
        times.append(time.monotonic())
        if number == 0:
            send(handler, 500, "", Retry_After_Ms="1")
        else:
            send(handler, 200, completion("noise"))

    times: list[float] = []
    with serving(behave) as server:
        ask(server, times=3, requests_per_minute=300)
    assert len(times) == 4
    assert min(np.diff(sorted(times))) > 0.15  # 0.2 s apart when they leave


BODIES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.just(completion("x")["choices"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "logprobs", "model"]), inner
        )
    ),
)


@given(body=BODIES.map(json.dumps) | st.text())
@example(body="[" * 100_000)
@example(body='{"choices": [{"message": {"content": "\\ud800"}}]}')
def test_any_body_is_an_answer_or_told(body: str) -> None:
    try:
        assert isinstance(read_reply(body), Answer)
    except NoAnswerError as error:
        assert "the reply is no chat completion" in str(error)  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize(
    "name", ["http://host/v1", "http:///v1#m", "ftp://host#m", "http://host:port/v1#m", "https://#m"]
)
def test_an_incomplete_address_is_told(name: str) -> None:
    with pytest.raises(EyechartError, match="lacks a host, or the name"):
        read_address(name)


@pytest.mark.parametrize("name", [f"https://me:{KEY}@host/v1#m", f"https://host/v1?key={KEY}#m"])
def test_an_address_with_a_secret_is_refused_unseen(name: str) -> None:
    with pytest.raises(EyechartError, match="no password") as caught:
        read_address(name)
    assert KEY not in str(caught.value)


def test_the_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert read_key(None) is None
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("OTHER", "another")
    assert (read_key(None), read_key("OTHER")) == (KEY, "another")
    monkeypatch.setenv("BAD", f"{KEY}\n{KEY}")
    for variable in (KEY, "ABSENT", "BAD"):
        with pytest.raises(EyechartError) as caught:
            read_key(variable)
        assert variable not in str(caught.value)
        assert KEY not in str(caught.value)


def test_an_endpoint_offers_text_alone() -> None:
    name = "http://localhost:8000/v1#m"
    assert capabilities(name) == Endpoint.capabilities == {Capability.GENERATE}
    assert capabilities("nano") == set(Capability)
    with pytest.raises(EyechartError, match="gives text only: this needs the model itself") as caught:
        resolve(name)
    assert "instead (a folder, or an id on the hub)" in str(caught.value)
