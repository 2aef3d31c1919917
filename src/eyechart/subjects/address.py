"""Where an endpoint is, and the key to it, which only the environment holds."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from eyechart.errors import EyechartError

KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Address:
    """Where an endpoint is, and what it calls the model."""

    url: str
    model: str


def read_address(name: str) -> Address:
    """Return the parts of a subject's name, ``http://localhost:8000/v1#MODEL``.

    Raises:
        EyechartError: it is not of this form, or holds a key or password (which is not repeated).
    """
    url, _, model = name.partition("#")
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        whole = False
    if not whole or not model:
        raise EyechartError(
            "the address of an endpoint lacks a host, or the name of a model",
            "write it as in http://localhost:8000/v1#MODEL",
        )
    if "@" in parts.netloc or parts.query:
        raise EyechartError(
            "the address of an endpoint must hold no password or query: it is written into the run",
            f"put the key into the environment variable {KEY}, or name another with --key-env",
        )
    return Address(url, model)


def read_key(variable: str | None) -> str | None:
    """Return the key in an environment variable; None if there is none in the usual one.

    Raises:
        EyechartError: the variable that was named is empty, or its value cannot be a key; neither is shown.
    """
    if variable is not None and not re.fullmatch(r"[A-Za-z_]\w*", variable):
        raise EyechartError("--key-env takes a variable's name, not the key", f"e.g. --key-env {KEY}")
    key = os.environ.get(variable or KEY, "").strip()
    if not key and variable is not None:
        raise EyechartError("the environment variable named by --key-env is not set", "export it first")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise EyechartError("the key in the environment holds characters that no key has", "set it again")
    return key or None
