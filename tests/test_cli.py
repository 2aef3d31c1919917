"""The command line: quick, and polite about mistakes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from eyechart import __version__
from eyechart.cli.main import build
from eyechart.errors import EyechartError


def clumsy() -> typer.Typer:
    """Return the application with three commands that fail in different ways."""
    app = build()

    @app.command()
    def mistake() -> None:
        raise EyechartError("no such corpus: kadid11k", "name one of kadid10k, live")

    @app.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    @app.command()
    def bug() -> None:
        raise ZeroDivisionError

    return app


def test_a_mistake_is_told_in_words() -> None:
    result = CliRunner().invoke(clumsy(), ["mistake"])
    assert result.exit_code == 2
    assert result.stderr == "error: no such corpus: kadid11k\n  name one of kadid10k, live\n"
    assert result.stdout == ""


def test_an_interruption_says_how_to_go_on() -> None:
    result = CliRunner().invoke(clumsy(), ["interrupted"])
    assert result.exit_code == 130
    assert result.stderr.count("\n") == 1
    assert "same command resumes" in result.stderr


def test_a_bug_is_not_dressed_up_as_a_mistake() -> None:
    result = CliRunner().invoke(clumsy(), ["bug"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_debug_shows_the_traceback_of_a_mistake() -> None:
    result = CliRunner().invoke(clumsy(), ["--debug", "mistake"])
    assert isinstance(result.exception, EyechartError)


def test_version() -> None:
    result = CliRunner().invoke(build(), ["--version"])
    assert result.output == f"eyechart {__version__}\n"


def test_report_of_no_run(tmp_path: Path) -> None:
    result = CliRunner().invoke(build(), ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert "not a run folder" in result.stderr


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    script = (
        "import sys; from eyechart.cli.main import build; from typer.testing import CliRunner;"
        "assert CliRunner().invoke(build(), ['--help']).exit_code == 0;"
        "print(*sorted({'torch', 'pandas', 'numpy', 'matplotlib', 'transformers', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    program = Path(sys.executable).with_name("eyechart")
    if not program.exists():
        pytest.skip("the program is not installed beside this Python")
    seconds = []
    for _ in range(5):  # the best of five, because the machine may be busy
        clock = time.perf_counter()
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - clock)
    assert min(seconds) < 0.5
    assert re.search(r"report\s+Compute", done.stdout)
