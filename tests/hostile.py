"""An HTTP server on loopback that answers chat completions as a test says, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[BaseHTTPRequestHandler, dict[str, Any], int], None]


@dataclass
class Server:
    """What a test looks at: the address, what came, how many came at once."""

    url: str
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self) -> list[tuple[str, str]]:
        """Return the questions that came: (image's data URL, text)."""
        parts = [body["messages"][0]["content"] for body in self.bodies]
        return [(picture["image_url"]["url"], text["text"]) for picture, text in parts]


@contextmanager
def serving(behave: Behaviour) -> Iterator[Server]:
    """Serve ``behave(handler, body, number of the request from 0)`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                number = len(server.bodies)
                server.bodies.append(body)
                server.keys.append(self.headers["Authorization"])
                server.now += 1
                server.most = max(server.most, server.now)
            try:
                behave(self, body, number)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has given up
            finally:
                with server.lock:
                    server.now -= 1

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        server = Server(f"http://127.0.0.1:{http.server_address[1]}/v1")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def send(
    handler: BaseHTTPRequestHandler, status: int, body: bytes | str | dict[str, Any], **headers: str
) -> None:
    """Send a whole reply; a dict becomes JSON, an underscore in a header's name a hyphen."""
    data = json.dumps(body) if isinstance(body, dict) else body
    data = data.encode() if isinstance(data, str) else data
    handler.send_response(status)
    kinds = {"Content-Type": "application/json", "Content-Length": str(len(data))}
    for name, value in (kinds | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def completion(text: str | None, first: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """Return a chat completion as OpenAI documents it, with 100 tokens in and 2 out."""
    choice: dict[str, Any] = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    if first is not None:
        top = [{"token": token, "logprob": logp, "bytes": None} for token, logp in first.items()]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    usage = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
    whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "served-1", "usage": usage}
    return {**whole, "choices": [choice]} | more
