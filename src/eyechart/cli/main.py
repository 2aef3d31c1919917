"""The application ``eyechart``: finds its commands, and turns errors into words."""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from eyechart import __version__, cli
from eyechart.errors import EyechartError


class Polite(TyperGroup):
    """A group of commands whose mistakes are told in words: what was wrong, and what to do about it."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; exit with 2 for a user's mistake and with 130 when interrupted."""
        try:
            return super().invoke(ctx)
        except EyechartError as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            if ctx.params.get("debug"):
                raise
            typer.echo("interrupted; the same command resumes where it stopped", err=True)
            raise typer.Exit(130) from error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"eyechart {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks instead of messages.")] = False,
) -> None:
    """An eye test for vision-language models: do they see distortions, where is it lost, what repairs it."""


def build() -> typer.Typer:
    """Return the application with every command: each module of ``eyechart.cli`` with ``add(app)`` is one."""
    app = typer.Typer(
        cls=Polite,
        callback=_options,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    for module in sorted(found.name for found in pkgutil.iter_modules(cli.__path__)):
        if module != "main":
            import_module(f"{cli.__name__}.{module}").add(app)
    return app


def main() -> None:
    """Run the command line (the entry point ``eyechart``)."""
    for stream in (sys.stdout, sys.stderr):  # a model's text must not break a terminal of another encoding
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    build()()
