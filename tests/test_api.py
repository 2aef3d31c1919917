"""The public API: every name is there, and importing the package costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import eyechart


@pytest.mark.parametrize("name", eyechart.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(eyechart, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'exma'"):
        _ = eyechart.exma


def test_the_package_imports_no_heavy_library() -> None:
    code = "import sys, eyechart, eyechart.cli.main; print(sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "eyechart" in done.stdout
    assert not {"torch", "transformers", "pandas", "sklearn", "matplotlib"} & set(names_in(done.stdout))


def names_in(text: str) -> list[str]:
    """Return the names of a printed list."""
    return [name.strip(" '[]\n") for name in text.split(",")]
