"""Options of a command line as settings; a mistake is told by the option's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eyechart.errors import EyechartError


def settings(kind: Any, given: Mapping[str, Any], command: str) -> Any:
    """Return settings of one kind.

    Args:
        kind: a pydantic model.
        given: its fields; what is None is left at its default.
        command: whose options they are, e.g. ``exam``.

    Raises:
        EyechartError: a value is impossible.
    """
    from pydantic import ValidationError

    try:
        return kind(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise EyechartError(
            f"{option(str(first['loc'][0]))}: {first['msg']}", f"eyechart {command} --help lists the options"
        ) from error


def option(name: str) -> str:
    """Return an option's name on the command line."""
    return f"--{'max_' if name == 'new_tokens' else ''}{name}".replace("_", "-")


def names_of(listed: str | None) -> list[str] | None:
    """Return names that are separated by commas, blanks around them or not; None where none are given."""
    return [name.strip() for name in listed.split(",")] if listed else None
