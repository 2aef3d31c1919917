"""How the documents become a site: ``make docs``. A link to nothing is an error."""

from __future__ import annotations

from pathlib import Path

import eyechart

HERE = Path(__file__).parent

project = "Eyechart"
author = "The Eyechart authors"
release = version = eyechart.__version__
language = "en"
extensions = [
    "myst_parser",  # pages in Markdown
    "sphinx.ext.autodoc",  # the reference, from docstrings
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",  # which have the sections Args, Returns, Raises
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Eyechart"
html_static_path: list[str] = []
html_copy_source = False

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
napoleon_use_ivar = True

suppress_warnings = ["ref.python"]  # a bare name in a docstring may fit several attributes


def _options() -> None:
    """Write the page of all commands' options from the commands themselves."""
    import typer
    from typer.cli import get_docs_for_click

    from eyechart.cli.main import build

    command = typer.main.get_command(build())
    text = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="eyechart"), name="eyechart")
    page = HERE / "reference" / "options.md"
    page.parent.mkdir(exist_ok=True)
    if not page.is_file() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


_options()
