"""The README's figures are those of the kept run, as the script writes them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def script(name: str = "readme_results") -> Any:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_results_are_the_kept_ones() -> None:
    readme = (ROOT / "README.md").read_text()
    assert script().written(readme) == readme


def test_a_typed_figure_is_found() -> None:
    readme = (ROOT / "README.md").read_text()
    altered = readme.replace("| **base** | ", "| **base** | 9", 1)
    assert altered != readme
    assert script().written(altered) == readme
