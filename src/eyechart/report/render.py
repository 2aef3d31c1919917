"""What renders pages: everything escaped, invisible characters made visible, scripts forbidden."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup

_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def policy(script: str = "") -> str:
    """Return a page's Content Security Policy: nothing is loaded from anywhere, and no script runs but one.

    Args:
        script: the one script that may run, known by its digest, so that no other text on the page can; even
            that one may not make markup of text (trusted types). "" allows none.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'" if script else "script-src 'none'"
    return (
        f"default-src 'none'; {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def script(name: str) -> Markup:
    """Return a script of this package, as it stands in a page."""
    from markupsafe import Markup

    # Markup is for what this package wrote itself.
    return Markup((files(__package__) / "html" / name).read_text(encoding="utf-8"))  # noqa: S704


def environment() -> Any:
    """Return what renders pages: everything escaped, invisible characters made visible."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("eyechart.report", "html")
    return Environment(
        loader=loader,
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def visible(value: object) -> object:
    """Return a text with its control, direction-changing and broken characters made visible."""
    if not isinstance(value, str) or hasattr(value, "__html__") or value.isprintable():
        return value
    return "".join(map(_visible, value))


def _visible(char: str) -> str:
    hidden = unicodedata.category(char) in ("Cc", "Cs") or char in _DIRECTIONS
    return f"⟨U+{ord(char):04X}⟩" if hidden and char not in "\n\t" else char
